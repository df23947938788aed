"""Missing cells of a column, and what the observed cells around them imply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Float64, Int64
    from aedetect.data import Rows

FADING = 0.8  # decay of the deviation from the level, per row; 0.5 to 0.9 differ little
LEVEL = 60  # rows before and after a gap that estimate the level; 30 to 240 work
REACH = 1_000  # rows; observed cells are searched within this distance
FAR = 1e12  # sampling periods; the distance when there is no such cell


@dataclass(frozen=True)
class Gaps:
    """The missing cells of one column: rows (M,), and the observed cells before and after each.

    Shapes: before, after (M,) their rows, or its own if there is none; since, until (M,) their
    distance in sampling periods, or FAR; first, last (M,) ends of the run without a break.
    """

    column: int
    rows: Int64
    before: Int64
    after: Int64
    since: Float64
    until: Float64
    first: Int64
    last: Int64

    def straight(self, values: Float32) -> Float64:
        """Interpolate linearly between the observed cells before and after: (R,) -> (M,)."""
        left = self.until / (self.since + self.until)
        return np.asarray(left * values[self.before] + (1 - left) * values[self.after])

    def carried(self, rest: Float64, known: Bool) -> Float64:
        """Estimate the model's residuals in the cells from the residuals around them.

        Shapes: (R,), (R,) whether a residual is known -> (M,). The level around a gap persists, the
        deviation from the level decays.
        """
        total = np.cumsum(np.append(0, rest * known))
        count = np.cumsum(np.append(0, known))
        start, stop = np.maximum(self.before - LEVEL + 1, self.first), self.before + 1
        low = (total[stop] - total[start]) / np.maximum(count[stop] - count[start], 1)
        start, stop = self.after, np.minimum(self.after + LEVEL, self.last + 1)
        high = (total[stop] - total[start]) / np.maximum(count[stop] - count[start], 1)
        left = self.until / (self.since + self.until)
        near, far = _faded(self.since, self.until)
        level = left * low + (1 - left) * high
        beside = near * (rest[self.before] - low) + far * (rest[self.after] - high)
        return np.asarray(level + beside)


def find_gaps(rows: Rows, missing: Bool, breaks: Bool, *, column: int, period: Int64) -> Gaps:
    """Find the observed cells around the missing ones (R,), no further than the next break (R,).

    The period (R,) is that of the entity of each row, in ns.
    """
    rank = np.arange(len(missing))
    ends = np.append(breaks[1:], [True])
    at = np.flatnonzero(missing)
    first = np.maximum.accumulate(np.where(breaks, rank, 0))[at]
    last = np.minimum.accumulate(np.where(ends, rank, len(rank))[::-1])[::-1][at]
    before = np.maximum.accumulate(np.where(missing, -1, rank))[at]
    after = np.minimum.accumulate(np.where(missing, len(rank), rank)[::-1])[::-1][at]
    no_before = (before < first) | (at - before > REACH)
    no_after = (after > last) | (after - at > REACH)
    before, after = np.where(no_before, at, before), np.where(no_after, at, after)
    since = np.where(no_before, FAR, (rows.time[at] - rows.time[before]) / period[at])
    until = np.where(no_after, FAR, (rows.time[after] - rows.time[at]) / period[at])
    return Gaps(column, at, before, after, since, until, first, last)


def _faded(since: Float64, until: Float64) -> tuple[Float64, Float64]:
    """Return the weights of the known values before and after: (M,), (M,) -> (M,), (M,).

    They give the mean of a first-order autoregressive process between two known values.

    >>> [weight.round(2).tolist() for weight in _faded(np.array([1.0]), np.array([FAR]))]
    [[0.8], [0.0]]
    """
    near, far = FADING**since, FADING**until
    whole = np.maximum(1 - (near * far) ** 2, 1e-9)
    return near * (1 - far**2) / whole, far * (1 - near**2) / whole
