"""Flagged rows -> groups with short gaps, and which of them are reported.

This is the definition of an event for the output, the alert budget and the backtest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Int8, Int32, Int64
from aedetect.events.settings import EventSettings
from aedetect.timestamps import parse_duration

REPORTED, SHORT, COOLING = 0, 1, 2  # whether an event is reported, or why it is suppressed


@dataclass(frozen=True)
class EventRules:
    """The durations of `[events]` in ns; 0: no such rule."""

    bridge: int
    min_duration: int = 0
    cool_down: int = 0

    @classmethod
    def of(cls, settings: EventSettings, *, max_gap: int) -> EventRules:
        """Return the rules of the settings; `max_gap` (ns) is the default of the bridge."""
        texts = settings.min_duration, settings.cool_down
        min_duration, cool_down = (parse_duration(text) if text else 0 for text in texts)
        bridge = parse_duration(settings.bridge) if settings.bridge else max_gap
        return cls(bridge, min_duration, cool_down)


@dataclass(frozen=True)
class EventGroups:
    """Positions of the first and last row of each group: (S,), (S,)."""

    first: Int64
    last: Int64

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.first)


def group_rows(time: Int64, entity: Int32, *, bridge: int | Int64) -> EventGroups:
    """Group rows that are ordered by entity and time (ns): (M,), (M,) -> groups.

    The bridge is one for all rows, or that of each row's entity (M,).

    >>> found = group_rows(np.array([0, 1, 9, 9]), np.array([0, 0, 0, 1], np.int32), bridge=2)
    >>> found.first.tolist(), found.last.tolist()
    ([0, 2, 3], [1, 2, 3])
    """
    if not len(time):
        return EventGroups(np.zeros(0, np.int64), np.zeros(0, np.int64))
    breaks = np.ones(len(time), dtype=np.bool_)
    longest = bridge if isinstance(bridge, int) else bridge[1:]
    breaks[1:] = (entity[1:] != entity[:-1]) | (np.diff(time) > longest)
    first = np.flatnonzero(breaks)
    return EventGroups(first, np.append(first[1:], len(time)) - 1)


def suppressed_groups(time: Int64, entity: Int32, groups: EventGroups, rules: EventRules) -> Int8:
    """Return REPORTED, or why a group is suppressed: (S,).

    A group shorter than `min_duration` is SHORT. A group that begins within `cool_down` of the end
    of the last reported group of its entity is COOLING.
    """
    begin, end = time[groups.first], time[groups.last]
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
