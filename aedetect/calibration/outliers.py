"""Held-out stretches that look anomalous, which calibration leaves out.

Training rows are normal operation, as far as anybody knows, and the held-out ones are the newest of
them. One forgotten incident among them can hide all later ones. A stretch is left out when its peak
or its mass is an outlier among those of its entity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.shared_shape import fit_scales, fit_shape, unit_excess
from aedetect.calibration.stretches import SortedScores, find_stretches

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32
    from aedetect.calibration.forecast import Timing
    from aedetect.calibration.held_out import HeldOut

SHARES = (0.05, 0.1)  # of the rows, above which stretches begin
MOST_STRETCHES = 0.1  # share of an entity's stretches that may be left out; one at least
MIN_STRETCHES = 6  # of an entity; among fewer none is an outlier
RARE = 0.05  # share of entities without an incident of which a stretch is left out


@dataclass(frozen=True)
class LeftOut:
    """What calibration left out, and what it costs when it was normal operation after all."""

    stretches: int = 0
    rows: int = 0
    entities: int = 0
    per_day: float = 0.0  # events a day on the held-out rows if these are normal

    @property
    def text(self) -> str:
        """Say what was left out and what it costs; empty when nothing was.

        >>> LeftOut(3, 41, 2, 1.5).text  # doctest: +ELLIPSIS
        '3 held-out ... 41 rows in 2 entities looked anomalous ... normal, expect 1.5 events a day'
        """
        if not self.rows:
            return ""
        one = self.stretches == 1
        what = f"{self.stretches:,} held-out stretch{'es' * (not one)}"
        rows = f"{self.rows:,} row{'s' * (self.rows != 1)}"
        where = f" in {self.entities:,} entities" if self.entities > 1 else ""
        return (
            f"{what} of {rows}{where} looked anomalous and {'was' if one else 'were'} left out; if "
            f"{'it was' if one else 'they were'} normal, expect {self.per_day:.2g} events a day"
        )


def suspect_rows(rows: HeldOut, timing: Timing, *, most: float) -> Bool:
    """Return which rows to leave out, at most a share of each entity's rows: (n,)."""
    suspect = np.zeros(len(rows), dtype=np.bool_)
    if not most or not len(rows):
        return suspect
    count = np.bincount(rows.entity)
    enough = count * max(SHARES) >= MIN_STRETCHES
    if not (enough | (count == 0)).all():
        tested = np.flatnonzero(enough[rows.entity])
        suspect[tested] = suspect_rows(rows.take(tested), timing, most=most)
        return suspect
    ordered = SortedScores.of(rows)
    for share in SHARES:
        found = find_stretches(rows, ordered.starts(share), timing)
        for size in (found.peak, found.mass):
            chosen = upper_outliers(size, found.entity, entities=len(ordered.count))
            joined = suspect | found.marked_rows(chosen, rows=len(rows))
            count = np.bincount(rows.entity[joined], minlength=len(ordered.count))
            within = count <= most * ordered.count
            suspect = np.where(within[rows.entity], joined, suspect)
    return suspect


def upper_outliers(size: Float64, entity: Int32, *, entities: int) -> Bool:
    """Return which sizes are too large for the others of their entity: (S,), (S,) -> (S,).

    Sizes follow a generalised Pareto distribution with one shape for all entities and a scale of
    each, so that log(1 + shape x / scale) / shape is exponential. Of n exponential numbers, k times
    the gap below the k-th largest is exponential too, and independent of the sum of those below:
    Renyi: On the theory of order statistics (1953). Testing the gaps of k at a time finds outliers
    that hide each other: Barnett, Lewis: Outliers in statistical data (1994), chapter 6.
    """
    if not len(size):
        return np.zeros(0, dtype=np.bool_)
    order = np.lexsort((-size, entity))
    owner, count = entity[order], np.bincount(entity, minlength=entities)
    most = MOST_STRETCHES
    shape = fit_shape(size, entity, entities=entities, censored_share=most)
    scale = fit_scales(size, entity, shape, entities=entities, censored_share=most)
    unit = unit_excess(size, scale[entity], shape)[order]
    first = np.cumsum(count) - count
    rank = np.arange(len(order)) - first[owner] + 1  # 1: the largest
    below = count[owner] - rank
    total = np.cumsum(unit)
    rest = total[(first + count - 1)[owner]] - total
    following = np.where(below > 0, np.append(unit[1:], 0.0), 0.0)
    gap, sum_below = rank * (unit - following), rest + rank * following
    log_p = -below * np.log1p(gap / np.maximum(sum_below, 1e-300))
    allowed = np.maximum(MOST_STRETCHES * count, 1)[owner]
    rare = log_p < np.log(RARE / (rank * (rank + 1)))
    outlying = rare & (rank <= allowed) & (count[owner] >= MIN_STRETCHES)
    deepest = np.zeros(entities, dtype=np.int64)
    np.maximum.at(deepest, owner[outlying], rank[outlying])
    found = np.zeros(len(size), dtype=np.bool_)
    found[order] = rank <= deepest[owner]
    return found


def count_left_out(rows: HeldOut, timing: Timing, *, per_day: float) -> LeftOut:
    """Count what is left out of held-out rows."""
    suspect = rows.suspect
    if not suspect.any():
        return LeftOut()
    start = np.full(int(rows.entity.max()) + 1, -np.inf)
    chosen = rows.take(suspect)
    stretches = find_stretches(chosen, start, timing)
    return LeftOut(len(stretches), len(chosen), len(np.unique(chosen.entity)), per_day)
