"""The command explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides
from aedetect.wording import fact_text, plural

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
    to: Annotated[
        Path | None, typer.Option(help="Write its card, with lines over time: .html or .png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trace an event or a row back to calibration, version, run, configuration, data and code."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json, relative_location
    from aedetect.jobs.event_chain import trace_event, trace_row
    from aedetect.timestamps import short_time

    if (event_id is None) == (at is None):
        raise typer.BadParameter("give either EVENT_ID, or --at TIME and --entity NAME")
    if event_id is None and to is not None:
        raise typer.BadParameter("--to writes the card of an event: give EVENT_ID")
    settings, out = load_config(config, overrides or []), console()
    if event_id is None:
        row = trace_row(settings, str(at), entity)
        told = _row_lines(row, renewed=settings.renew is not None)
        print_json(row) if as_json else _print(told, _facts(row))
        return
    chain = trace_event(settings, event_id)
    facts = {**_threshold(chain), **dict(_facts(chain))}
    if to is not None:
        from aedetect.jobs.event_card import read_card, write_event_card

        card = read_card(settings, event_id)
        write_event_card(settings, card, to, config_path=str(config), chain=facts)
    if as_json:
        print_json(chain)
        return
    event = chain.event
    lines = [
        (
            f"event {event.event_id}: {event.entity or '-'}, {short_time(event.start)} to "
            f"{short_time(event.end)}, {plural(event.rows, 'row')}, {event.severity}"
        ),
        f"  {event.text}",
    ]
    _print(lines, facts.items())
    if to is not None:
        out.print(f"card in {relative_location(str(to.resolve()))}", soft_wrap=True)


def _print(lines: Iterable[str], facts: Iterable[tuple[str, str]]) -> None:
    from aedetect.cli.show import console

    for line in (*lines, *(f"{key} {text}" for key, text in facts)):
        console().print(line, soft_wrap=True)


def _row_lines(row: RowChain, *, renewed: bool) -> list[str]:
    """Say what became of a row, and what its calibration promised."""
    figures = "" if row.score is None else f", score {row.score:.4g}"
    figures += "" if row.p_value is None else f", p-value {row.p_value:.2g}"
    why = f" ({row.reason})" if row.reason else ""
    known = row.promise
    promise = "not in the registry" if known is None else known.in_one_line(renewed=renewed)
    return [
        f"row of {row.entity or '-'} at {row.timestamp}: {row.verdict}{why}{figures}",
        f"calibration {row.calibration_version}: {promise}",
    ]


def _threshold(chain: EventChain) -> dict[str, str]:
    text = f"{chain.event.threshold:.4g} of calibration {chain.calibration_version}"
    return {"threshold": text}


def _facts(chain: EventChain | RowChain) -> Iterator[tuple[str, str]]:
    """Yield where an event or a row comes from, by words."""
    from aedetect.cli.show import relative_location

    yield "  in", relative_location(chain.file)
    yield "model", f"{chain.model_name}/{chain.model_version}, configuration {chain.config_hash}"
    if chain.trained is None:
        yield "  training", "unknown: the registry no longer has this version"
    else:
        yield "  run", f"{chain.run_id} in MLflow"
        yield from (
            (f"  {key.replace('_', ' ')}:", fact_text(chain.trained[key]))
            for key in _FACTS
            if key in chain.trained
        )
    if (made := chain.promotion) is not None:
        at = made.at.isoformat(" ", timespec="seconds")
        why = f"{at} by {made.by}: {made.why or made.action}"
        yield "  last promoted", why
    yield "scored from", plural(len(chain.inputs), "input")
    yield from ((f"  {name}:", mark) for name, mark in list(chain.inputs.items())[:_SHOWN])
