"""Counters: columns that only grow, such as an energy meter, taken as their increase.

The level of a counter is new in every row, so that nothing can be learnt from it. What is learnt is
its increase since the last reading of the same entity, in the time of one sampling period at most:
after a longer step its share for one period, so that a lost row is no jump. There is no increase in
the first row, after a gap, and where the counter starts again from a lower value: the cell is
missing there, as no reading shows how much was counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data.rates import spread

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int64
    from aedetect.data.rates import Rate
    from aedetect.data.rows import Rows
    from aedetect.data.schema import Schema

_FOREVER = 2**62  # ns


@dataclass(frozen=True)
class Counting:
    """Which columns are counters, the sampling period, and the longest step, in ns."""

    columns: tuple[int, ...]
    period: int
    max_gap: int
    rates: tuple[Rate, ...] = ()  # of entities that are sampled at another rate

    @classmethod
    def of(cls, schema: Schema) -> Counting:
        """Return the counters of a schema."""
        columns = tuple(i for i, feature in enumerate(schema.features) if feature.counter)
        return cls(columns, schema.period, schema.max_gap, schema.rates)

    def periods(self, rows: Rows) -> Int64:
        """Return the period of the entity of each row, in ns: (R,)."""
        return spread(self.rates, rows.names, "period", default=self.period)[rows.entity]

    def max_gaps(self, rows: Rows) -> Int64:
        """Return the longest step to each row, in ns: (R,)."""
        return spread(self.rates, rows.names, "max_gap", default=self.max_gap)[rows.entity]


@dataclass(frozen=True)
class Readings:
    """The rows of a column with a reading before them.

    Shapes: known (R,) whether there is one; rise (R,) the difference to it, which is negative where
    the counter started again; before (R,) its value; periods (R,) its distance, at least 1.
    """

    known: Bool
    rise: Float64
    before: Float64
    periods: Float64

    @property
    def increase(self) -> Float64:
        """(R,) the increase in one period, NaN where there is none."""
        return np.where(self.known & (self.rise >= 0), self.rise / self.periods, np.nan)


@dataclass(frozen=True)
class _Last:
    """The end of the rows so far: the last row, and the last reading of each column."""

    name: str | None
    time: int
    moments: tuple[int, ...]
    values: tuple[float, ...]


def read_counters(
    batches: Iterable[Rows], counting: Counting
) -> Iterator[tuple[Rows, tuple[Readings, ...]]]:
    """Yield ordered rows with the readings before them, column by column.

    The result is the same for any cut into batches. Repeated timestamps are no readings.
    """
    last: _Last | None = None
    for rows in batches:
        same = last is not None and last.name == rows.names[rows.entity[0]]
        again = rows.duplicates
        again[0] = last is not None and same and last.time == rows.time[0]
        starts = rows.starts
        starts[0] = not same
        found, moments, values = [], [], []
        for place, column in enumerate(counting.columns):
            own = np.asarray(rows.values[:, column])
            usable = np.isfinite(own) & ~again
            before = (last.moments[place], last.values[place]) if last and same else None
            readings, moment, value = _readings(rows, own, starts, usable, before, counting)
            found.append(readings)
            moments.append(moment)
            values.append(value)
        last = _Last(rows.names[rows.entity[-1]], int(rows.time[-1]), tuple(moments), tuple(values))
        yield rows, tuple(found)


def take_increases(batches: Iterable[Rows], counting: Counting) -> Iterator[Rows]:
    """Yield ordered rows with the increase in the place of each counter; infinite values stay."""
    if not counting.columns:
        yield from batches
        return
    for rows, found in read_counters(batches, counting):
        values = np.array(rows.values)
        for column, readings in zip(counting.columns, found, strict=True):
            infinite = np.isinf(values[:, column])
            values[:, column] = np.where(infinite, values[:, column], readings.increase)
        yield replace(rows, values=values)


def rises(batches: Iterable[Rows], columns: Sequence[int]) -> Iterator[list[Float64]]:
    """Yield the differences to the last reading, however long ago, of each column, NaN for none."""
    for _, found in read_counters(batches, Counting(tuple(columns), 1, _FOREVER)):
        yield [np.where(each.known, each.rise, np.nan) for each in found]


def without_reading_before(rows: Rows, schema: Schema) -> Bool:
    """Return where a counter has no increase because its row is the first: (R, F)."""
    columns = np.array([feature.counter for feature in schema.features], dtype=np.bool_)
    if not columns.any():
        return np.zeros(rows.values.shape, dtype=np.bool_)
    first = rows.starts
    first[1:] |= np.diff(rows.time) > schema.max_gaps(rows)[1:]
    return first[:, None] & columns


def _readings(
    rows: Rows,
    values: Float64,
    starts: Bool,
    usable: Bool,
    last: tuple[int, float] | None,
    counting: Counting,
) -> tuple[Readings, int, float]:
    """Find the reading before each row; also return the last reading, or one that is none."""
    time = rows.time
    first = last or (int(time[0]), np.nan)
    moments = np.concatenate([[first[0]], time])
    cells = np.concatenate([[first[1]], values])
    can = np.concatenate([[last is not None and np.isfinite(first[1])], usable])
    begins = np.concatenate([[True], starts])
    rank = np.arange(len(moments))
    seen = np.maximum.accumulate(np.where(can, rank, -1))
    before = np.maximum(seen[:-1], 0)  # of the rows 1, 2, ... of these arrays: those of the batch
    since = np.maximum.accumulate(np.where(begins, rank, 0))[1:]
    step = time - moments[before]
    known = usable & (seen[:-1] >= since) & (step <= counting.max_gaps(rows))
    with np.errstate(invalid="ignore", over="ignore"):
        rise = values - cells[before]
    periods = np.maximum(step / counting.periods(rows), 1.0)
    newest = int(seen[-1])
    is_old = newest < int(np.flatnonzero(begins)[-1])
    end = (int(moments[-1]), np.nan) if newest < 0 or is_old else (moments[newest], cells[newest])
    return Readings(known, rise, cells[before], periods), int(end[0]), float(end[1])
