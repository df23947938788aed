"""Events on a terminal: two lines each, figures and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from aedetect.cli.show import console
from aedetect.events import Event
from aedetect.events.description import plain_number
from aedetect.events.severity import WARNING
from aedetect.events.table import as_events
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import short_time
from aedetect.wording import list_some

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_TOGETHER = 5  # entities of an incident


def print_events(
    events: pa.Table, *, limit: int, suppressed: bool = False, zone: str | None = None
) -> None:
    """Show the first events of a table, the most anomalous first, and the total number.

    Suppressed events are only counted, unless `suppressed` is set.
    """
    out = console()
    reported = pc.is_null(events["suppressed"])
    shown = events if suppressed else events.filter(reported)
    if not shown.num_rows:
        out.print("no event" if events.num_rows == 0 else "no event that is reported")
    else:
        _print(shown.slice(0, limit), zone, among=shown)
        rows = pc.sum(shown["rows"]).as_py()
        number, listed = shown.num_rows, min(limit, shown.num_rows)
        which = "all are shown" if listed == number else f"the {listed} most anomalous are shown"
        events_text = "1 event" if number == 1 else f"{number:,} events"
        out.print(f"{rows:,} flagged rows in {events_text}; {which}")
    hidden = events.filter(pc.invert(reported))
    if hidden.num_rows and not suppressed:
        for each in pc.value_counts(hidden["suppressed"]).to_pylist():
            out.print(f"  {each['counts']:,} more are suppressed: {each['values']}")


def first_reported(events: pa.Table) -> str | None:
    """Return the id of the first event that is not suppressed."""
    ids = events.filter(pc.is_null(events["suppressed"]))["event_id"]
    return ids[0].as_py() if len(ids) else None


def print_withdrawn(events: pa.Table | None, *, limit: int, zone: str | None) -> None:
    """Show withdrawn events: written by an earlier run, and no longer found."""
    if events is None or not events.num_rows:
        console().print("no event was withdrawn")
        return
    _print(events.slice(0, limit), zone)
    console().print(f"{events.num_rows:,} events were written earlier and are withdrawn")


def _print(events: pa.Table, zone: str | None, *, among: pa.Table | None = None) -> None:
    out, together = console(), _together(among)
    found = list(as_events(events, zone))
    lines = [_figures(event) for event in found]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for event, line in zip(found, lines, strict=True):
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        out.print("  ".join(cells).rstrip(), soft_wrap=True)
        out.print(f"  {event.text}", soft_wrap=True)
        if others := together.get(event.incident_id, set()) - {event.entity or "-"}:
            out.print(
                f"  began together with {list_some(sorted(others), most=_SHOWN_TOGETHER)}",
                soft_wrap=True,
            )
        if event.suppressed:
            out.print(f"  suppressed: {event.suppressed}", soft_wrap=True)


def _together(events: pa.Table | None) -> dict[str | None, set[str]]:
    """Return the entities of each incident of several events."""
    if events is None or "incident_id" not in events.column_names:
        return {}
    ids = events["incident_id"]
    counts = pc.value_counts(ids)
    shared = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    chosen = events.filter(pc.is_in(ids, value_set=shared)).select(["incident_id", "entity"])
    found: dict[str | None, set[str]] = {}
    for each in chosen.to_pylist():
        found.setdefault(each["incident_id"], set()).add(each["entity"] or "-")
    return found


def _figures(event: Event) -> tuple[str, ...]:
    rows = "1 row" if event.rows == 1 else f"{event.rows:,} rows"
    return (
        event.event_id,
        event.entity or "-",
        _span(event),
        rows,
        event.severity,
        _strength(event),
    )


def _strength(event: Event) -> str:
    """Say what the severity follows: 1 is what three of four events on held-out rows stay below."""
    if event.strength is None:
        return ""
    if event.severity != SEVERITIES[0] and event.strength <= WARNING:
        return "by a column rule"
    return f"strength {plain_number(event.strength)}"


def _span(event: Event) -> str:
    """Format start and end; the end date only when it differs."""
    start, end = short_time(event.start), short_time(event.end)
    if start == end:
        return start
    return f"{start} to {end[11:] if start[:10] == end[:10] else end}"
