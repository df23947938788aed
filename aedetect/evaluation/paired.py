"""How far two versions differ on the same things, beyond chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64

_NORMAL = 1.6448536269514722  # standard normal quantile of 0.95: one-sided limits
_STEPS = 40  # of the bisection for a limit
_BLOCKS, _LEAST_BLOCK = 100, 50  # that rows are resampled in, and rows of one at least
_REPLICATES = 400
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


def chance_of_so_few(won: int, lost: int) -> float:
    """Return how likely one version alone finds so few, where both are as likely to.

    >>> [round(chance_of_so_few(4, lost), 3) for lost in (4, 9, 14)]
    [0.637, 0.133, 0.015]
    """
    from scipy.special import bdtr

    return float(bdtr(won, won + lost, 0.5)) if won + lost else 1.0


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
    count = values.shape[1]
    blocks = min(_BLOCKS, max(count // _LEAST_BLOCK, 1))
    block = np.arange(count) * blocks // count
    size = np.bincount(block, minlength=blocks)
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
