"""The command explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides

if TYPE_CHECKING:
    from aedetect.jobs.event_chain import EventChain, RowChain

_SHOWN = 8  # input files
_FACTS = (
    "trained_from",
    "trained_until",
    "rows",
    "data_fingerprint",
    "code_version",
    "calibrated_for",
)


def explain(
    config: ConfigPath,
    event_id: Annotated[
        str | None, typer.Argument(help="Id of the event; `flags` shows them.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Trace the row at this time instead.")
    ] = None,
    entity: Annotated[str | None, typer.Option(help="Of the row.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Trace an event or a row back to calibration, version, run, configuration, data and code."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json
    from aedetect.jobs.event_chain import trace_event, trace_row

    if (event_id is None) == (at is None):
        raise typer.BadParameter("give either EVENT_ID, or --at TIME and --entity NAME")
    settings = load_config(config, overrides or [])
    chain: EventChain | RowChain
    if event_id is not None:
        chain = trace_event(settings, event_id)
        lines = _event_lines(chain)
    else:
        chain = trace_row(settings, str(at), entity)
        lines = _row_lines(chain)
    if as_json:
        print_json(chain)
        return
    for line in [*lines, *_origin_lines(chain)]:
        console().print(line, soft_wrap=True)


def _event_lines(chain: EventChain) -> list[str]:
    from aedetect.cli.show import relative_location

    event = chain.event
    return [
        (
            f"event {event.event_id}: {event.entity or '-'}, {event.start} to {event.end}, "
            f"{event.rows:,} rows, {event.severity}"
        ),
        f"  {event.text}",
        f"  in {relative_location(chain.file)}",
        f"threshold {event.threshold:.4g} of calibration {chain.calibration_version}",
    ]


def _row_lines(chain: RowChain) -> list[str]:
    from aedetect.cli.show import relative_location

    figures = "" if chain.score is None else f", score {chain.score:.4g}"
    figures += "" if chain.p_value is None else f", p-value {chain.p_value:.2g}"
    why = f" ({chain.reason})" if chain.reason else ""
    promise = "not in the registry" if chain.promise is None else f"{chain.promise:.3%}"
    return [
        f"row of {chain.entity or '-'} at {chain.timestamp}: {chain.verdict}{why}{figures}",
        f"  in {relative_location(chain.file)}",
        f"calibration {chain.calibration_version}, normal rows flagged at most: {promise}",
    ]


def _origin_lines(chain: EventChain | RowChain) -> list[str]:
    """Return version, run, training, promotion and inputs."""
    lines = [f"model {chain.model_name}/{chain.model_version}, configuration {chain.config_hash}"]
    if chain.trained is None:
        lines.append("  the registry no longer has this version")
    else:
        lines.append(f"  run {chain.run_id} in MLflow")
        lines += [f"  {key}: {chain.trained[key]}" for key in _FACTS if key in chain.trained]
    if (made := chain.promotion) is not None:
        at = made.at.isoformat(" ", timespec="seconds")
        lines.append(f"  last promoted {at} by {made.by} ({made.action}) {made.why}".rstrip())
    lines.append(f"scored from {len(chain.inputs)} inputs")
    return lines + [f"  {name}: {mark}" for name, mark in list(chain.inputs.items())[:_SHOWN]]
