"""The command explain."""

from __future__ import annotations

from typing import Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides

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
    event_id: Annotated[str, typer.Argument(help="Id of the event; `flags` shows them.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Trace an event back to calibration, version, run, configuration, data and code."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json, relative_location
    from aedetect.jobs.event_chain import trace_event

    chain = trace_event(load_config(config, overrides or []), event_id)
    if as_json:
        print_json(chain)
        return
    out, event = console(), chain.event
    lines = [
        (
            f"event {event.event_id}: {event.entity or '-'}, {event.start} to {event.end}, "
            f"{event.rows:,} rows, {event.severity}"
        ),
        f"  {event.text}",
        f"  in {relative_location(chain.file)}",
        f"threshold {event.threshold:.4g} of calibration {chain.calibration_version}",
        f"model {chain.model_name}/{chain.model_version}, configuration {chain.config_hash}",
    ]
    if chain.trained is None:
        lines.append("  the registry no longer has this version")
    else:
        lines.append(f"  run {chain.run_id} in MLflow")
        lines += [f"  {key}: {chain.trained[key]}" for key in _FACTS if key in chain.trained]
    if (made := chain.promotion) is not None:
        at = made.at.isoformat(" ", timespec="seconds")
        lines.append(f"  last promoted {at} by {made.by} ({made.action}) {made.why}".rstrip())
    lines.append(f"scored from {len(chain.inputs)} inputs")
    lines += [f"  {name}: {mark}" for name, mark in list(chain.inputs.items())[:_SHOWN]]
    for line in lines:
        out.print(line, soft_wrap=True)
