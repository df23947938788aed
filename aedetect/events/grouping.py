"""Flagged rows -> groups with short gaps, and which of them are reported.

This is the definition of an event for the output, the alert budget and the backtest. An event
begins with a flagged row. It goes on while rows are held: their p-value is below the lower level
`[events] hold`, in steps of at most `stay`. What has ended goes on if it comes back, with another
flagged row, within the merge gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Int8, Int32, Int64
from aedetect.data.rates import Rate
from aedetect.events.settings import EventSettings
from aedetect.timestamps import NANOSECONDS, parse_duration

# Whether an event is reported, or why it is suppressed.
REPORTED, SHORT, COOLING, DOUBTED = 0, 1, 2, 3
_BRIDGE_PERIODS = 60
_BRIDGE_MOST = 6 * NANOSECONDS["h"]  # rows that are hours apart come back on another day
# A shift of level: so many periods, at least and at most so long, but no fewer than so many periods
_SHIFT_PERIODS, _SHIFT_FEWEST = 360, 24
_SHIFT_LEAST, _SHIFT_MOST = 6 * NANOSECONDS["h"], NANOSECONDS["d"]
_BEYOND = 2  # times the longest event on held-out rows


@dataclass(frozen=True)
class EventRules:
    """The durations of `[events]` in ns; 0: no such rule. `hold` is a p-value."""

    merge_gap: int
    min_duration: int = 0
    cool_down: int = 0
    hold: float = 0.0
    stay: int = 0  # longest step between rows that are held
    incident: int = 0
    level_shift: int = 0  # an event that lasts longer is a shift of level

    @classmethod
    def of(
        cls, settings: EventSettings, *, max_gap: int, period: int = 0, longest: int = 0
    ) -> EventRules:
        """Return the rules of the settings.

        `max_gap`, `period` and `longest`, of the events on held-out rows (ns), give the defaults.
        """
        texts = (
            *(settings.min_duration, settings.cool_down, settings.merge_gap, settings.incident),
            settings.level_shift,
        )
        min_duration, cool_down, merge_gap, incident, shift = (
            None if text is None else parse_duration(text) for text in texts
        )
        merge_gap = int(usual_merge_gap(max_gap, period)) if merge_gap is None else merge_gap
        return cls(
            merge_gap=merge_gap,
            min_duration=min_duration or 0,
            cool_down=cool_down or 0,
            hold=settings.hold,
            stay=min(max_gap, merge_gap),
            incident=max_gap if incident is None else incident,
            level_shift=usual_level_shift(period, longest) if shift is None else shift,
        )


def own_rules(
    settings: EventSettings, rates: Iterable[Rate], *, longest: int = 0
) -> Mapping[str | None, EventRules]:
    """Return the rules of the entities that are sampled at another rate."""
    return {
        each.entity: EventRules.of(
            settings, max_gap=each.max_gap, period=each.period, longest=longest
        )
        for each in rates
    }


def steps_of(
    names: Iterable[str | None], rules: EventRules, own: Mapping[str | None, EventRules]
) -> tuple[Int64, Int64]:
    """Return the merge gap and `stay` of some entities, by name: (E,), (E,)."""
    found = [own.get(name, rules) for name in names]
    steps = np.array([(each.merge_gap, each.stay) for each in found], dtype=np.int64).reshape(-1, 2)
    return steps[:, 0], steps[:, 1]


def usual_level_shift(period: int, longest: int = 0) -> int:
    """Return the default duration (ns) of an event beyond which it is a shift of level.

    360 periods, at least six hours and at most a day, no fewer than 24 periods, and twice the
    longest event on held-out rows. Without a period nothing is known: 0, no event is a shift.
    """
    if not period:
        return 0
    usual = min(max(_SHIFT_PERIODS * period, _SHIFT_LEAST), _SHIFT_MOST)
    return max(usual, _SHIFT_FEWEST * period, _BEYOND * longest)


def usual_merge_gap(max_gap: int | Int64, period: int | Int64) -> Int64:
    """Return the default merge gap in ns, of one or of each entity: an hour for a row a minute.

    At most six hours, so that what is seen every day is not one event; at least `max_gap`.
    """
    return np.asarray(np.maximum(max_gap, np.minimum(_BRIDGE_PERIODS * period, _BRIDGE_MOST)))


@dataclass(frozen=True)
class EventGroups:
    """Positions of the first and last row of each group, and when it ends (ns): (S,) each.

    A group ends with its last row, or with the last row that is held.
    """

    first: Int64
    last: Int64
    end: Int64

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.first)


@dataclass(frozen=True)
class Segments:
    """Times of flagged and of held rows, ordered by entity and start unless said otherwise.

    Shapes: entity, start, end (N,) in ns; flagged (N,) whether it is a flagged row.
    """

    entity: Int32
    start: Int64
    end: Int64
    flagged: Bool

    @classmethod
    def of_rows(cls, entity: Int32, time: Int64, flagged: Bool) -> Segments:
        """Take each row as a segment; they must be ordered."""
        return cls(entity, time, time, flagged)

    @property
    def order(self) -> Int64:
        """The order by entity and start (N,); those that are equal stay as they are."""
        return np.lexsort((self.start, self.entity))

    def take(self, chosen: Int64) -> Segments:
        """Return some segments."""
        return Segments(
            self.entity[chosen], self.start[chosen], self.end[chosen], self.flagged[chosen]
        )

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.start)


def group_rows(time: Int64, entity: Int32, *, merge_gap: int | Int64) -> EventGroups:
    """Group rows that are ordered by entity and time (ns): (M,), (M,) -> groups.

    The merge gap is one for all rows, or that of each row's entity (M,).

    >>> found = group_rows(np.array([0, 1, 9, 9]), np.array([0, 0, 0, 1], np.int32), merge_gap=2)
    >>> found.first.tolist(), found.last.tolist()
    ([0, 2, 3], [1, 2, 3])
    """
    first, last = _runs(entity, time, time, merge_gap)
    return EventGroups(first, last, time[last])


def group_held(segments: Segments, *, merge_gap: int | Int64, stay: int | Int64) -> EventGroups:
    """Group flagged rows, with what is held between and after them: segments (N,) -> groups.

    Positions in the result count flagged rows only. `merge_gap` and `stay` are one for all, or
    those of each segment's entity (N,).

    >>> rows = Segments.of_rows(np.zeros(5, np.int32), np.arange(5) * 2, np.arange(5) % 4 == 0)
    >>> found = group_held(rows, merge_gap=2, stay=2)
    >>> found.first.tolist(), found.last.tolist(), found.end.tolist()
    ([0], [1], [8])
    """
    first, last, reach = find_runs(segments, stay)
    count = np.add.reduceat(segments.flagged.astype(np.int64), first) if len(first) else first
    place = np.cumsum(count) - count  # of the first flagged row of each run
    kept = count > 0
    first, last, count, place = first[kept], last[kept], count[kept], place[kept]
    entity, end = segments.entity[first], reach[last]
    own = merge_gap if isinstance(merge_gap, int) else merge_gap[first]
    begin, until = _runs(entity, segments.start[first], end, own)
    return EventGroups(place[begin], place[until] + count[until] - 1, end[until])


def find_runs(segments: Segments, longest: int | Int64) -> tuple[Int64, Int64, Int64]:
    """Return the first and last segment of each run, and when all up to each have ended (N,)."""
    reach = _reach(segments)
    return *_runs(segments.entity, segments.start, reach, longest), reach


def _reach(segments: Segments) -> Int64:
    """Return when the segments of an entity that have begun have all ended: (N,)."""
    if (segments.start == segments.end).all():
        return segments.end
    moments, rank = np.unique(segments.end, return_inverse=True)
    key = segments.entity.astype(np.int64) * len(moments) + rank.reshape(-1)
    return np.asarray(moments[np.maximum.accumulate(key) % len(moments)])


def _runs(entity: Int32, start: Int64, end: Int64, longest: int | Int64) -> tuple[Int64, Int64]:
    """Return the first and last of those that follow each other in steps of at most `longest`."""
    if not len(start):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    breaks = np.ones(len(start), dtype=np.bool_)
    most = longest if isinstance(longest, int) else longest[1:]
    breaks[1:] = (entity[1:] != entity[:-1]) | (start[1:] - end[:-1] > most)
    first = np.flatnonzero(breaks)
    return first, np.append(first[1:], len(start)) - 1


def suppressed_groups(time: Int64, entity: Int32, groups: EventGroups, rules: EventRules) -> Int8:
    """Return REPORTED, or why a group is suppressed: (S,).

    A group shorter than `min_duration` is SHORT. A group that begins within `cool_down` of the end
    of the last reported group of its entity is COOLING.
    """
    begin, end = time[groups.first], groups.end
    verdict = np.where(end - begin < rules.min_duration, SHORT, REPORTED).astype(np.int8)
    if not rules.cool_down:
        return verdict
    owner = entity[groups.first]
    ended: dict[int, int] = {}
    for index in np.flatnonzero(verdict == REPORTED).tolist():  # groups, not rows
        code = int(owner[index])
        if code in ended and begin[index] - ended[code] <= rules.cool_down:
            verdict[index] = COOLING
        else:
            ended[code] = int(end[index])
    return verdict
