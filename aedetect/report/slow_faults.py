"""The slow faults of a page: who since when, how far by day, and which events are part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from aedetect.drift.daily_levels import DailyLevels, daily_levels
from aedetect.drift.shifts import faults_of
from aedetect.timestamps import NANOSECONDS, to_nanoseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.drift import Shift
    from aedetect.drift.daily_table import Block
    from aedetect.wall_clock import WallClock

MOST_FAULTS = 5  # shown at the top of a page; the others are among the shifts
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, kw_only=True)
class SlowFault:
    """A shift of one entity alone, with its level by day and its events since it began."""

    shift: Shift
    levels: DailyLevels
    events: tuple[str, ...]  # ids, the most severe first
    strongest: str  # the sentence of the first one


def find_faults(
    shifts: Sequence[Shift], days: Sequence[Block], events: pa.Table, clock: WallClock
) -> Iterator[SlowFault]:
    """Yield the slow faults among shifts, the earliest first; `events` as of events/."""
    found = faults_of(shifts)[:MOST_FAULTS]
    if not found:
        return
    levels = daily_levels(days, {str(each.entity) for each in found})
    for each in found:
        day = date.fromisoformat(each.since).toordinal() - _EPOCH
        begin = clock.first_at(day * NANOSECONDS["d"])
        late = pc.greater_equal(to_nanoseconds(events["end"]), begin)
        own = events.filter(pc.and_(late, pc.equal(events["entity"], each.entity)))
        ids, texts = own["event_id"].to_pylist(), own["text"].to_pylist()
        yield SlowFault(
            shift=each,
            levels=levels[str(each.entity)],
            events=tuple(ids),
            strongest=texts[0] if texts else "",
        )
