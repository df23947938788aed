"""The interval of an expected count, from the one that was observed."""

from __future__ import annotations

COVERAGE = 0.9  # of intervals


def count_interval(count: int) -> tuple[float, float]:
    """Return the exact interval of the expectation of a Poisson count: Garwood (1936).

    >>> [round(each, 2) for each in count_interval(0)]
    [0.0, 3.0]
    """
    from scipy.special import gammaincinv

    tail = (1 - COVERAGE) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))
