"""How far two versions differ on the same things, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int64

_NORMAL = 1.6448536269514722  # standard normal quantile of 0.95: one-sided limits
_STEPS = 40  # of the bisection for a limit
_BLOCKS, _LEAST_BLOCK = 100, 50  # that rows are resampled in, and rows of one at least
_REPLICATES = 400
_LEAST_SHARE = 0.5  # of anomalies found, that a margin is a part of, at least
_ROOM = 6  # times the rows below a level, that it may be among in a replicate
_QUANTILE = 0.05


def largest_difference(won: int, lost: int, total: int) -> float:
    """Return the upper 95 % limit of a difference between two paired shares.

    Of `total` things, `won` were found by the first version alone and `lost` by the second alone.
    The limit is that of the score test of Tango (1998), which holds for few things too: one or two
    that were lost are no evidence.

    >>> [round(largest_difference(0, lost, lost), 2) for lost in (1, 3, 10)]
    [0.46, -0.05, -0.57]
    """
    if total <= 0:
        return 1.0
    low, high = (won - lost) / total, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        inside = _statistic(won, lost, total, middle) >= -_NORMAL
        low, high = (middle, high) if inside else (low, middle)
    return low


def _statistic(won: int, lost: int, total: int, difference: float) -> float:
    """Return the score statistic of a paired difference: Tango (1998), equation 5."""
    a = 2.0 * total
    b = -won - lost + (2.0 * total - won + lost) * difference
    c = -lost * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = total * (2 * share + difference * (1 - difference))
    ahead = won - lost - total * difference
    return ahead / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, ahead)


def at_most_by_chance(won: int, total: int) -> float:
    """Return the probability that at most so many of things that differ fall to the first version.

    >>> [round(at_most_by_chance(won, 6), 3) for won in (0, 1, 3)]
    [0.016, 0.109, 0.656]
    """
    return float(sum(math.comb(total, each) for each in range(won + 1)) / 2**total)


def margin_of(share: float, part: float) -> float:
    """Return by how much less than the champion's share a challenger's may be.

    It has to be a part of the champion's; seeds differ by points, so that half of all counts.
    """
    return max(1 - part, 0.0) * max(share, _LEAST_SHARE)


def found_at_level(strangeness: Float64, known: Int64) -> Float64:
    """Return the smallest p-value in each known anomaly: (N,), (N,) -> (A,)."""
    _, own = np.unique(known, return_inverse=True)
    smallest = np.ones(int(own.max()) + 1)
    np.minimum.at(smallest, own, strangeness)
    return smallest


@dataclass(frozen=True)
class ComparedLevel:
    """Where two versions are compared: at a p-value each, for equal false events.

    Shapes, of each version: ordinary (N,) the p-values of ordinary rows, in the order of time.
    """

    ordinary: Sequence[Float64]
    levels: Sequence[float]

    def found(self, found_at: Sequence[Float64]) -> list[Bool]:
        """Return which anomalies (A,) each version finds, from the p-values of these."""
        return [each <= level for each, level in zip(found_at, self.levels, strict=True)]

    def alone(self, found_at: Sequence[Float64]) -> tuple[int, int]:
        """Return how many anomalies (A,) the first version finds alone, and the second."""
        new, old = self.found(found_at)
        return int((new & ~old).sum()), int((old & ~new).sum())

    def gains(self, found_at: Sequence[Float64]) -> Float64:
        """Return how many more the first version finds, in replicates: (R,).

        Rows are resampled in blocks, for a level depends on few of them and moves all anomalies at
        once; anomalies one by one; both alike for the two versions.
        """
        random = np.random.default_rng(0)
        count, anomalies = len(self.ordinary[0]), len(found_at[0])
        block, size = _blocks(count)
        times = random.multinomial(len(size), np.full(len(size), 1 / len(size)), size=_REPLICATES)
        drawn = random.multinomial(anomalies, np.full(anomalies, 1 / anomalies), size=_REPLICATES)
        below = []
        for value, p_value, level in zip(found_at, self.ordinary, self.levels, strict=True):
            share = float((p_value <= level).mean())
            order = np.argsort(p_value, kind="stable")[: round(_ROOM * share * count) + 2]
            weight = np.cumsum(times[:, block[order]], axis=1)
            target = share * (times @ size)
            place = np.minimum((weight <= target[:, None]).sum(axis=1), len(order) - 1)
            below.append(value[None, :] <= p_value[order][place][:, None])
        gain = drawn * (below[0].astype(np.int64) - below[1])
        return np.asarray(gain.sum(axis=1), dtype=np.float64)


def _blocks(count: int) -> tuple[Int64, Int64]:
    """Return the block of each row (N,), and the rows of each block."""
    blocks = min(_BLOCKS, max(count // _LEAST_BLOCK, 1))
    block = np.arange(count) * blocks // count
    return block, np.bincount(block, minlength=blocks)


def rank_agreement(first: Float64, second: Float64) -> float:
    """Return Spearman's correlation; 0 when one of the two gives all rows the same value."""
    from scipy.stats import rankdata

    ranks = [rankdata(each) for each in (first, second)]
    if any(float(each.std()) == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def resampled_means(values: Bool | Float64, *, seed: int) -> Float64:
    """Return the mean of rows, or the share marked, in replicates of a block bootstrap.

    (K, N) -> (R, K). All K values of a row are resampled together, so that replicates are paired.
    Rows beside each other are alike: up to 100 blocks of them, of 50 or more, are taken to be
    independent.
    """
    block, size = _blocks(values.shape[1])
    blocks = len(size)
    counts = np.stack([np.bincount(block, weights=each, minlength=blocks) for each in values])
    random = np.random.default_rng(seed)
    times = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=_REPLICATES)
    return np.asarray((times @ counts.T) / (times @ size)[:, None])


def least_value(replicates: Float64) -> float:
    """Return the lower 95 % limit of a figure from its replicates: (R,)."""
    return float(np.quantile(replicates, _QUANTILE))


def greatest_value(replicates: Float64) -> float:
    """Return the upper 95 % limit of a figure from its replicates: (R,)."""
    return float(np.quantile(replicates, 1 - _QUANTILE))
