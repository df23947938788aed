"""Means over the last rows of a time: exact sums, so that no mean depends on how rows are cut.

A running sum of floating-point numbers rounds differently from batch to batch. One of integers does
not round at all: values are added as multiples of a fixed unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.detector.ticks import TICKS

UNITS = 2.0**28  # in 1; sums of 2**15 of the largest values fit into 64 bits
LARGEST = 2.0**20


def first_rows(tick: Int64, at: Int64, *, rows: int) -> Int64:
    """Return the first of the last `rows` rows that are less than as many periods old: (N,).

    Shapes: tick (M,) ascending, at (N,) positions among them.
    """
    if rows == 1:
        return at
    return first_of_last(tick, at, tick[at] - rows * TICKS, rows=rows)


def first_of_last(tick: Int64, at: Int64, before: Int64, *, rows: int) -> Int64:
    """Return the first of the last `rows` rows up to `at` that is later than `before`: (N,).

    Where rows are regular, it is found without a search.
    """
    first = np.maximum(at - (rows - 1), 0)
    late = np.flatnonzero(tick[first] <= before)
    if len(late):
        first[late] = np.searchsorted(tick, before[late], side="right")
    return first


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


@dataclass(frozen=True)
class Means:
    """Values whose means are asked for: values (M,), running sums and counts (M + 1,) of the used.

    count is None when all values are used.
    """

    values: Float32 | Float64
    total: Int64
    count: Int64 | None

    @classmethod
    def of(cls, values: Float32 | Float64, used: Bool) -> Means:
        """Add up the used values: (M,), (M,)."""
        if used.all():
            return cls(values, running_sums(values), None)
        count = np.concatenate([[0], np.cumsum(used)])
        return cls(values, running_sums(np.where(used, values, 0)), count)

    def between(self, first: Int64, at: Int64) -> Float64:
        """Return the mean of the used values from `first` to `at`: (N,), (N,) -> (N,).

        The value itself where none is used.
        """
        total = as_sum(self.total[at + 1] - self.total[first])
        if self.count is None:
            return np.asarray(total / (at + 1 - first))
        number = self.count[at + 1] - self.count[first]
        mean = total / np.maximum(number, 1)
        return np.asarray(np.where(number > 0, mean, np.minimum(self.values[at], LARGEST)))


def trailing_means(values: Float32 | Float64, used: Bool, first: Int64, at: Int64) -> Float64:
    """Return the mean of the used values from `first` to `at`, the value itself where none is used.

    Shapes: values and used (M,), first and at (N,) -> (N,).
    """
    return Means.of(values, used).between(first, at)


def reaching(tick: Int64, at: Int64, *, rows: int) -> Bool:
    """Return which rows are less than `rows` periods older than one of some rows: (R,).

    Shapes: tick (R,) ascending, at (N,) positions among them; these rows are marked too.
    """
    change = np.zeros(len(tick) + 1, dtype=np.int64)
    if not len(at):
        return np.zeros(len(tick), dtype=np.bool_)
    # Of consecutive rows the first reaches furthest back.
    begin = np.flatnonzero(np.diff(at, prepend=at[0] - 2) > 1)
    first, last = at[begin], at[np.append(begin[1:], len(at)) - 1]
    oldest = np.searchsorted(tick, tick[first] - rows * TICKS, side="right")
    np.add.at(change, oldest, 1)
    np.add.at(change, last + 1, -1)
    return np.asarray(np.cumsum(change[:-1]) > 0)
