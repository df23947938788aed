"""Known anomalies against events: found, missed and false, and how early the first event came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.evaluation import KnownAnomalies

BEFORE = NANOSECONDS["d"]  # an event that begins so long before a known anomaly foretells it


@dataclass(frozen=True, kw_only=True)
class Detected:
    """A known anomaly and its first event, which overlaps it or foretells it."""

    known: KnownAnomalies
    event: int | None  # position of its first event; None: there is none
    ahead: int | None  # ns from the start of that event to the start of the anomaly; < 0: after it
    overlaps: bool  # whether some event overlaps it


@dataclass(frozen=True, kw_only=True)
class Detections:
    """How events and known anomalies match. Positions are those of the events given."""

    anomalies: tuple[Detected, ...]
    early: tuple[int, ...]  # events that overlap no anomaly and foretell one
    false: tuple[int, ...]  # events that do neither

    @property
    def found(self) -> int:
        """The number of known anomalies that an event overlaps."""
        return sum(each.overlaps for each in self.anomalies)

    @property
    def foretold(self) -> int:
        """The number of known anomalies that no event overlaps, but one foretells."""
        return sum(each.event is not None and not each.overlaps for each in self.anomalies)

    @property
    def missed(self) -> int:
        """The number of known anomalies without an event."""
        return sum(each.event is None for each in self.anomalies)

    @property
    def forewarning(self) -> float | None:
        """The median of the time by which the first event came ahead (ns); None without one."""
        ahead = [each.ahead for each in self.anomalies if each.ahead is not None]
        return float(np.median(ahead)) if ahead else None


def compare_with_known(
    known: Sequence[KnownAnomalies],
    entities: Sequence[str | None],
    starts: Sequence[int],
    ends: Sequence[int],
    *,
    before: int = BEFORE,
) -> Detections:
    """Match events, given by entity, start and end (ns), with known anomalies.

    An event foretells an anomaly of its entity when it begins at most `before` ahead of it, and
    after the anomaly before that.
    """
    own: dict[str | None, list[int]] = {}
    for position in np.argsort(np.asarray(starts, dtype=np.int64), kind="stable").tolist():
        own.setdefault(entities[position], []).append(position)
    overlapping: set[int] = set()
    early: set[int] = set()
    found = []
    last: dict[str | None, int] = {}
    for each in sorted(known, key=lambda one: one.start):
        since = max(each.start - before, last.get(each.entity, each.start - before))
        last[each.entity] = each.end
        mine = [at for at in own.get(each.entity, ()) if starts[at] <= each.end]
        over = [at for at in mine if ends[at] >= each.start]
        ahead = [at for at in mine if ends[at] < each.start and starts[at] >= since]
        overlapping.update(over)
        early.update(ahead)
        first = min([*over, *ahead], key=lambda at: starts[at], default=None)
        lead = None if first is None else each.start - starts[first]
        found.append(Detected(known=each, event=first, ahead=lead, overlaps=bool(over)))
    early -= overlapping
    false = (at for at in range(len(starts)) if at not in overlapping | early)
    return Detections(anomalies=tuple(found), early=tuple(sorted(early)), false=tuple(false))
