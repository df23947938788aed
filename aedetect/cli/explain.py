"""The command explain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides

if TYPE_CHECKING:
    from aedetect.jobs.event_chain import EventChain

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
    to: Annotated[
        Path | None, typer.Option(help="Write its card, with lines over time: .html or .png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trace an event back to calibration, version, run, configuration, data and code."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json, relative_location
    from aedetect.jobs.event_chain import trace_event

    settings = load_config(config, overrides or [])
    chain = trace_event(settings, event_id)
    facts = dict(_facts(chain))
    if to is not None:
        from aedetect.jobs.event_card import read_card, write_card

        card = read_card(settings, event_id)
        write_card(settings, card, to, config_path=str(config), chain=facts)
    if as_json:
        print_json(chain)
        return
    out, event = console(), chain.event
    out.print(
        f"event {event.event_id}: {event.entity or '-'}, {event.start} to {event.end}, "
        f"{event.rows:,} rows, {event.severity}",
        soft_wrap=True,
    )
    out.print(f"  {event.text}", soft_wrap=True)
    for key, text in facts.items():
        out.print(f"{key} {text}", soft_wrap=True)
    if to is not None:
        out.print(f"card in {relative_location(str(to.resolve()))}", soft_wrap=True)


def _facts(chain: EventChain) -> Iterator[tuple[str, str]]:
    """Yield where an event comes from, by words."""
    from aedetect.cli.show import relative_location

    yield "  in", relative_location(chain.file)
    yield "threshold", f"{chain.event.threshold:.4g} of calibration {chain.calibration_version}"
    yield "model", f"{chain.model_name}/{chain.model_version}, configuration {chain.config_hash}"
    if chain.trained is None:
        yield "  training", "unknown: the registry no longer has this version"
    else:
        yield "  run", f"{chain.run_id} in MLflow"
        yield from ((f"  {key}:", chain.trained[key]) for key in _FACTS if key in chain.trained)
    if (made := chain.promotion) is not None:
        at = made.at.isoformat(" ", timespec="seconds")
        why = f"{at} by {made.by} ({made.action}) {made.why}".rstrip()
        yield "  last promoted", why
    yield "scored from", f"{len(chain.inputs)} inputs"
    yield from ((f"  {name}:", mark) for name, mark in list(chain.inputs.items())[:_SHOWN])
