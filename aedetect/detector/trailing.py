"""Means over the last rows of a time: exact sums, so that no mean depends on how rows are cut.

A running sum of floating-point numbers rounds differently from batch to batch. One of integers does
not round at all: values are added as multiples of a fixed unit.
"""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.detector.ticks import TICKS

UNITS = 2.0**28  # in 1; sums of 2**15 of the largest values fit into 64 bits
LARGEST = 2.0**20


def first_rows(tick: Int64, at: Int64, *, rows: int) -> Int64:
    """Return the first of the last `rows` rows that are less than as many periods old: (N,).

    Shapes: tick (M,) ascending, at (N,) positions among them.
    """
    oldest = np.searchsorted(tick, tick[at] - rows * TICKS, side="right")
    return np.maximum(oldest, at - (rows - 1))


def running_sums(values: Float32 | Float64) -> Int64:
    """Return the sums of the values before each row and before the end: (M, ...) -> (M + 1, ...).

    Differences of two are exact, as long as no row between them is NaN; values count as at most
    `LARGEST`. In a unit of their own, see `as_sum`.
    """
    total = np.zeros((len(values) + 1, *values.shape[1:]), dtype=np.int64)
    units = values.astype(np.float64)
    np.minimum(units, LARGEST, out=units)
    units *= UNITS
    with np.errstate(invalid="ignore"):
        total[1:] = units  # cuts off what is below a unit
    return np.cumsum(total, axis=0, out=total)


def as_sum(difference: Int64) -> Float64:
    """Return a difference of two running sums as a number."""
    return np.asarray(difference / UNITS)


def trailing_means(values: Float32 | Float64, used: Bool, first: Int64, at: Int64) -> Float64:
    """Return the mean of the used values from `first` to `at`, the value itself where none is used.

    Shapes: values and used (M,), first and at (N,) -> (N,).
    """
    total = running_sums(np.where(used, values, 0))
    count = np.concatenate([[0], np.cumsum(used)])
    number = count[at + 1] - count[first]
    mean = as_sum(total[at + 1] - total[first]) / np.maximum(number, 1)
    return np.asarray(np.where(number > 0, mean, np.minimum(values[at], LARGEST)))


def reaching(tick: Int64, at: Int64, *, rows: int) -> Bool:
    """Return which rows are less than `rows` periods older than one of some rows: (R,).

    Shapes: tick (R,) ascending, at (N,) positions among them; these rows are marked too.
    """
    change = np.zeros(len(tick) + 1, dtype=np.int64)
    oldest = np.searchsorted(tick, tick[at] - rows * TICKS, side="right")
    np.add.at(change, oldest, 1)
    np.add.at(change, at + 1, -1)
    return np.asarray(np.cumsum(change[:-1]) > 0)
