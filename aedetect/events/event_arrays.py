"""Columns of flagged rows -> events as arrays. Pure functions: no file, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int8, Objects
from aedetect.events.grouping import (
    REPORTED,
    Segments,
    group_held,
    steps_of,
)
from aedetect.events.held import held_by
from aedetect.events.incidents import find_incidents
from aedetect.events.level_shift import Separated, separate
from aedetect.events.severity import rate_strength
from aedetect.events.suppressed import suppressed_events
from aedetect.events.table import event_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from aedetect.arrays import Int32, Int64
    from aedetect.events.flagged_rows import FlaggedColumns
    from aedetect.events.grouping import EventGroups, EventRules
    from aedetect.events.judged_rows import JudgedCounts

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, kw_only=True)
class EventArrays:
    """Events by entity and start, with the positions of their first and last rows.

    Shapes: S events, M rows; ids (S,) strings; rarest (M,) positions of the rows of each event, the
    rarest first; peak_score (S,) highest of any row; p_value (S,) minimum; strength (S,) sum;
    severity (S,); suppression (S,) index into `reasons`, 0 when reported; incidents (S,) the id of
    the first event of each event's incident; shifted (S,) whether an event is a shift of level.
    """

    flagged: FlaggedColumns
    groups: EventGroups
    ids: Objects
    rarest: Int64
    peak_score: Float32
    p_value: Float64
    strength: Float32
    severity: Int8
    suppression: Int8
    incidents: Objects
    shifted: Bool
    reasons: tuple[str | None, ...]

    @property
    def peak(self) -> Int64:
        """Position of the rarest row of each event: (S,)."""
        return self.rarest[self.groups.first]

    @property
    def start(self) -> Int64:
        """Start times in ns: (S,)."""
        return self.flagged.time[self.groups.first]

    @property
    def end(self) -> Int64:
        """End times in ns, of the last row that is flagged or held: (S,)."""
        return self.groups.end

    @property
    def rows(self) -> Int64:
        """Number of flagged rows: (S,)."""
        return self.groups.last - self.groups.first + 1

    @property
    def entity(self) -> Int32:
        """Entity, as index into the names: (S,)."""
        return self.flagged.entity[self.groups.first]

    @property
    def file(self) -> Int32:
        """Number of the file that contains the start of each event: (S,)."""
        return self.flagged.file[self.groups.first]

    @property
    def last_file(self) -> Int32:
        """Number of the file that contains the end of each event: (S,)."""
        last = np.searchsorted(self.flagged.begin, self.end, side="right") - 1
        return np.maximum(self.flagged.file[self.groups.last], last).astype(np.int32)

    def starting_in(self, number: int) -> Int64:
        """Return the events that begin in a file, ordered by start and entity."""
        begin, end = np.searchsorted(self._file_in_order, [number, number + 1])
        mine = self._by_file[begin:end]
        return mine[np.lexsort((self.entity[mine], self.start[mine]))]

    def of_rows(self, number: int) -> Int64:
        """Return the event of each row of a file, in file order."""
        begin, end = np.searchsorted(self._file_of_row, [number, number + 1])
        return self._event_of_row[begin:end]

    def rarest_rows(self, events: Int64, *, most: int) -> tuple[Int64, Int64]:
        """Return the rarest rows of some events: (K,) numbers in `events`, (K,) positions."""
        count = np.minimum(self.rows[events], most)
        number = np.repeat(np.arange(len(events)), count)
        place = np.arange(len(number)) - np.repeat(np.cumsum(count) - count, count)
        return number, self.rarest[self.groups.first[events][number] + place]

    def file_of_rows(self, number: int) -> Int32:
        """Return the files in which the events of a file's rows begin."""
        return np.unique(self.file[self.of_rows(number)])

    def reach(self, number: int) -> int | None:
        """Return the earliest start (ns) of the events that continue into a file; None if none."""
        found = self._reach[number] if number < len(self._reach) else _NEVER
        return None if found == _NEVER else int(found)

    @cached_property
    def _reach(self) -> Int64:
        """Earliest start of the events that continue into each file: (files,)."""
        order = np.argsort(self.start, kind="stable")
        first, last, start = self.file[order], self.last_file[order], self.start[order]
        furthest = np.maximum.accumulate(last)
        # An earlier event that reaches as far takes precedence; at most one per file is left.
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
    def _row_order(self) -> Int64:
        return np.lexsort((self.flagged.row, self.flagged.file))

    @cached_property
    def _file_of_row(self) -> Int32:
        return self.flagged.file[self._row_order]

    @cached_property
    def _event_of_row(self) -> Int64:
        return np.repeat(np.arange(len(self.ids)), self.rows)[self._row_order]


def assemble_events(
    flagged: FlaggedColumns,
    rules: EventRules,
    *,
    detector: str,
    own: Mapping[str | None, EventRules] | None = None,
    held: pa.Table | None = None,
    precision: float | None = None,
    judged: JudgedCounts | None = None,
) -> EventArrays:
    """Group flagged rows into events, and find which of them are suppressed.

    `held` has the stretches of time in which events go on. Some entities may have rules of their
    own. With a `precision`, events that scores alone flag are candidates, see
    `aedetect.events.discovery`; `judged` counts the rows that they are found among.

    The loss of a column is an event of its own, however short: it is not lost among anomalies of
    other columns, and does not suppress these.
    """
    found = _separated(flagged, rules, own or {}, held)
    flagged, groups, inner = found.flagged, found.groups, found.inner
    first = groups.first
    size = groups.last - first + 1
    number = np.repeat(np.arange(len(first)), size)
    # The rarest row is the peak, of equal ones the highest score, then the first: scores look back,
    # and may be highest when a fault has just ended.
    order = np.lexsort((np.arange(len(flagged.time)), -flagged.score, flagged.p_value, number))
    start, entity = flagged.time[first].tolist(), flagged.entity[first].tolist()
    ids = np.array(
        [event_id(detector, flagged.names[e], s) for e, s in zip(entity, start, strict=True)],
        dtype=object,
    )
    has_events = len(first) > 0
    p_value = np.minimum.reduceat(flagged.p_value, first) if has_events else flagged.p_value
    suppression, reasons = suppressed_events(
        found, p_value, rules, precision=precision, judged=judged
    )
    above = np.maximum(flagged.strength - found.level, 0)
    strength = np.add.reduceat(above, first) if has_events else above
    worst = np.maximum.reduceat(flagged.severity, first) if has_events else flagged.severity
    rated = rate_strength(strength)
    return EventArrays(
        flagged=flagged,
        groups=groups,
        ids=ids,
        rarest=order,
        peak_score=np.maximum.reduceat(flagged.score, first) if has_events else flagged.score,
        p_value=p_value,
        strength=strength.astype(np.float32),
        severity=np.where(inner, rated, np.maximum(worst, rated)),
        suppression=suppression,
        incidents=find_incidents(
            flagged.time[first], ids, suppression == REPORTED, within=rules.incident
        ),
        shifted=found.shifted,
        reasons=reasons,
    )


def _separated(
    flagged: FlaggedColumns,
    rules: EventRules,
    own: Mapping[str | None, EventRules],
    held: pa.Table | None,
) -> Separated:
    """Group flagged rows, with the stretches of those entities that have any.

    What stands out from a shift of level is an event of its own.
    """
    merge_gap, stay = steps_of(flagged.names, rules, own)
    owner = flagged.entity * np.int32(2) + flagged.loss
    code, start, end = held_by(flagged.names, held)
    rows = Segments(
        np.concatenate([owner, code * np.int32(2)]),
        np.concatenate([flagged.time, start]),
        np.concatenate([flagged.time, end]),
        np.concatenate([np.ones(len(owner), np.bool_), np.zeros(len(code), np.bool_)]),
    )
    segments = rows.take(rows.order)
    entity = segments.entity // 2
    groups = group_held(segments, merge_gap=merge_gap[entity], stay=stay[entity])
    limit = [own.get(name, rules).level_shift for name in flagged.names]
    return separate(flagged, groups, limit=np.array(limit, dtype=np.int64), merge_gap=merge_gap)
