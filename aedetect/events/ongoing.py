"""Shifts of level that still go on at the end of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from aedetect.output.catalog import list_event_files, newest_files
from aedetect.output.partitions import EVENTS, SCORES, Span
from aedetect.output.schemas import LEVEL_SHIFTED
from aedetect.timestamps import to_nanoseconds
from aedetect.wall_clock import WallClock, known_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aedetect.events.formation_state import Formation

_COLUMNS = ["event_id", "entity", "start", "end", "rows", "text", "suppressed"]


@dataclass(frozen=True, kw_only=True)
class LevelShift:
    """An event that lasts longer than held-out experience allows, and is not over."""

    event_id: str
    entity: str | None
    start: str  # ISO, as in the table
    lasted: int  # ns, until the last row that is flagged or held
    rows: int  # flagged, without those of events inside it
    text: str  # what is unusual at its peak


def find_level_shifts(output: Path, formation: Formation) -> tuple[LevelShift, ...]:
    """Return the shifts of level that go on at the end of the data, by entity.

    One goes on when its end is no further than the merge gap from the newest row that was scored.
    Raises OutputError when a file cannot be read.
    """
    times = (file.times("timestamp") for file in newest_files(output, SCORES))
    newest = next((each.last for each in times if each is not None), None)
    if newest is None:
        return ()
    origin = next(newest_files(output, SCORES)).origin()
    rules, own = formation.rules_of(origin), formation.own_rules_of(origin)
    widest = max([rules.merge_gap, *(each.merge_gap for each in own.values())])
    found: list[LevelShift] = []
    for file in list_event_files(output, Span(newest - widest, None)):
        for each, end in _described(_shifted(file.read(_COLUMNS))):
            if newest - end <= own.get(each.entity, rules).merge_gap:
                found.append(each)
    return tuple(sorted(found, key=lambda each: (each.entity or "", each.start)))


def last_level_shift(output: Path, entity: str | None) -> tuple[LevelShift, str, str] | None:
    """Return the last shift of level of an entity, its end, and why it is not reported, if so.

    It is looked for in the newest files that have one; None when there is none. Raises OutputError.
    """
    for file in newest_files(output, EVENTS):
        table = file.read(_COLUMNS)
        own = pc.is_null(table["entity"]) if entity is None else pc.equal(table["entity"], entity)
        table = table.filter(pc.and_(pc.starts_with(table["text"], LEVEL_SHIFTED), own))
        if len(table):
            listed = list(_described(table))
            at = max(range(len(listed)), key=lambda place: listed[place][1])
            shift, end = listed[at]
            return shift, _clock_of(table).iso(end), table["suppressed"][at].as_py() or ""
    return None


def _shifted(table: pa.Table) -> pa.Table:
    """Return the reported events that are shifts of level."""
    shifted = pc.and_(pc.starts_with(table["text"], LEVEL_SHIFTED), pc.is_null(table["suppressed"]))
    return table.filter(shifted)


def _clock_of(table: pa.Table) -> WallClock:
    zone = table.schema.field("start").type.tz
    return WallClock(known_zone(zone), aware=zone is not None)


def _described(table: pa.Table) -> Iterator[tuple[LevelShift, int]]:
    """Yield the shifts of a table, each with its end (ns)."""
    clock = _clock_of(table)
    times = (to_nanoseconds(table[name]).to_pylist() for name in ("start", "end"))
    for row, start, end in zip(table.to_pylist(), *times, strict=True):
        shift = LevelShift(
            event_id=row["event_id"],
            entity=row["entity"],
            start=clock.iso(start),
            lasted=end - start,
            rows=row["rows"],
            text=row["text"].removeprefix(LEVEL_SHIFTED),
        )
        yield shift, end
