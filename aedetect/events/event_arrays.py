"""Light columns of flagged rows -> events as arrays. Pure: no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int8, Objects
from aedetect.events.grouping import COOLING, SHORT, group_rows, suppressed_groups
from aedetect.events.table import event_id
from aedetect.timestamps import format_duration

if TYPE_CHECKING:
    from aedetect.arrays import Int32, Int64
    from aedetect.events.flagged_rows import FlaggedColumns
    from aedetect.events.grouping import EventGroups, EventRules

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class EventArrays:
    """Events, ordered by entity and start: first, last and highest row of each as positions.

    Shapes: S events; ids (S,) of text; p_value (S,) the smallest, severity (S,) the highest;
    quiet (S,) index into `reasons`, 0 when reported.
    """

    light: FlaggedColumns
    stretches: EventGroups
    ids: Objects
    peak: Int64
    p_value: Float64
    severity: Int8
    quiet: Int8
    reasons: tuple[str | None, ...]

    @property
    def start(self) -> Int64:
        """First moments in ns: (S,)."""
        return self.light.time[self.stretches.first]

    @property
    def end(self) -> Int64:
        """Last moments in ns: (S,)."""
        return self.light.time[self.stretches.last]

    @property
    def rows(self) -> Int64:
        """Flagged rows: (S,)."""
        return self.stretches.last - self.stretches.first + 1

    @property
    def entity(self) -> Int32:
        """Index among the names: (S,)."""
        return self.light.entity[self.stretches.first]

    @property
    def file(self) -> Int32:
        """Number of the file in which each event begins: (S,)."""
        return self.light.file[self.stretches.first]

    @property
    def last_file(self) -> Int32:
        """Number of the file in which each event ends: (S,)."""
        return self.light.file[self.stretches.last]

    def starting_in(self, number: int) -> Int64:
        """Return the events that begin in a file, by start and entity."""
        begin, end = np.searchsorted(self._file_in_order, [number, number + 1])
        mine = self._by_file[begin:end]
        return mine[np.lexsort((self.entity[mine], self.start[mine]))]

    def of_rows(self, number: int) -> Int64:
        """Return the event of each row of a file, in the order of the file."""
        begin, end = np.searchsorted(self._file_of_place, [number, number + 1])
        return self._event_of_place[begin:end]

    def file_of_rows(self, number: int) -> Int32:
        """Return in which files the events of a file's rows begin."""
        return np.unique(self.file[self.of_rows(number)])

    def reach(self, number: int) -> int | None:
        """Return when the earliest event began that reaches into a file from before (ns)."""
        found = self._reach[number] if number < len(self._reach) else _NEVER
        return None if found == _NEVER else int(found)

    @cached_property
    def _reach(self) -> Int64:
        """Earliest start of the events that reach into each file from before: (files,)."""
        order = np.argsort(self.start, kind="stable")
        first, last, start = self.file[order], self.last_file[order], self.start[order]
        furthest = np.maximum.accumulate(last)
        # Where an earlier event reaches as far, it decides: few are left, one a file at most.
        kept = np.flatnonzero((last > first) & (last > np.append(-1, furthest[:-1])))
        earliest = np.full(int(furthest.max(initial=-1)) + 1, _NEVER, dtype=np.int64)
        for event in kept[::-1]:
            earliest[first[event] + 1 : last[event] + 1] = start[event]
        return earliest

    @cached_property
    def _by_file(self) -> Int64:
        return np.argsort(self.file, kind="stable")

    @cached_property
    def _file_in_order(self) -> Int32:
        return self.file[self._by_file]

    @cached_property
    def _places(self) -> Int64:
        return np.lexsort((self.light.row, self.light.file))

    @cached_property
    def _file_of_place(self) -> Int32:
        return self.light.file[self._places]

    @cached_property
    def _event_of_place(self) -> Int64:
        return np.repeat(np.arange(len(self.ids)), self.rows)[self._places]


def assemble_events(light: FlaggedColumns, rules: EventRules, *, detector: str) -> EventArrays:
    """Group flagged rows into events, and say which of them are kept quiet."""
    stretches = group_rows(light.time, light.entity, bridge=rules.bridge)
    first = stretches.first
    size = stretches.last - first + 1
    number = np.repeat(np.arange(len(first)), size)
    # Of equal scores the first is the peak.
    order = np.lexsort((np.arange(len(light.time)), -light.score, number))
    start, entity = light.time[first].tolist(), light.entity[first].tolist()
    ids = [event_id(detector, light.names[e], s) for e, s in zip(entity, start, strict=True)]
    some = len(first) > 0
    reasons: list[str | None] = [None, None, None]
    reasons[SHORT] = f"shorter than {format_duration(rules.min_duration)}"
    reasons[COOLING] = f"within {format_duration(rules.cool_down)} of an event before"
    return EventArrays(
        light=light,
        stretches=stretches,
        ids=np.array(ids, dtype=object),
        peak=order[first],
        p_value=np.minimum.reduceat(light.p_value, first) if some else light.p_value,
        severity=np.maximum.reduceat(light.severity, first) if some else light.severity,
        quiet=suppressed_groups(light.time, light.entity, stretches, rules),
        reasons=tuple(reasons),
    )
