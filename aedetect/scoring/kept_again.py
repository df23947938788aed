"""Since when a promise is kept again, from the days of a longer time in which it was not.

Seven or 30 days stay bad for as long after a repair, or after a renewal. Whether it is over is
asked of the last days alone: they are within the promise, and quieter than those just before them
by more than chance (were days exchangeable, the last T of D would be among the G quietest with a
probability of C(G, T) / C(D, T)), or they are a week.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aedetect.arrays import Float64
    from aedetect.output import Partition
    from aedetect.output.verdict_counts import VerdictCounts

CHANCE = 0.02
WEEK = 7  # days within the promise, which need no comparison
_FEWEST = 2  # days, below which nothing is over
_AN_EVENT = 3  # days, from which on the worst may be that of one event
_SURE, _TIMES = 5.0, 3.0  # rows flagged at so many times the promise, for which rows must be enough


def days_of_return(
    counted: Mapping[Partition, VerdictCounts],
    entity: tuple[str | None] | None,
    *,
    shares: Sequence[float],
) -> list[str]:
    """Return the day since which an entity, or all together, is within each share; else empty."""
    days: dict[int, Float64] = {}
    for at, counts in counted.items():
        both = (counts.judged, counts.flagged)
        pair = both if entity is None else counts.entities.get(entity[0], (0, 0))
        if pair[0]:
            day = at.start // NANOSECONDS["d"]
            days[day] = days.get(day, np.zeros(2)) + pair
    order = sorted(days)
    rows, flagged = np.array([days[day] for day in order]).reshape(-1, 2).T
    found = [kept_since(flagged, rows, most=share) for share in shares]
    return ["" if first is None else str(np.datetime64(order[first], "D")) for first in found]


def kept_since(flagged: Float64, rows: Float64, *, most: float) -> int | None:
    """Return the first of the last days on which a share is kept again: (D,), (D,).

    The rows of the worst of three days or more may be those of one event. All days have rows. None
    while it is not, or while the last ones have too few to know it.
    """
    days = len(rows)
    for spared in (False, True):  # a day is left out only where it has to be
        for first in range(1, days - _FEWEST + 1):  # the longest time first
            own, of = flagged[first:], rows[first:]
            known = own[0] <= most * of[0] and of.sum() * most * _TIMES >= _SURE
            event = own.max() if spared and len(own) >= _AN_EVENT else 0.0
            within = own.sum() - event <= most * of.sum()
            if known and within and _over(flagged / rows, first):
                return first
    return None


def _over(share: Float64, first: int) -> bool:
    """Whether the days from the first on differ from those before by more than chance."""
    last = len(share) - first
    if last >= WEEK:
        return True
    quiet = share <= share[first:].max()
    return any(
        comb(int(quiet[since:].sum()), last) <= CHANCE * comb(len(share) - since, last)
        for since in range(first)
    )
