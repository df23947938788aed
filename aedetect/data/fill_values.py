"""Numbers that devices and exports write for a missing value, found in the data themselves.

A fill value lies far off all other values of its column, and is repeated exactly. Real states do
that too (a pump stands at 0 or at 500 rpm): so it must also look like one, as -9999, 65535 or
9.96921e36 do, or be a million times larger than anything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64
from aedetect.data.memmap import batches_of, pick_rows
from aedetect.data.rows import Rows

_SAMPLE_ROWS = 10_000  # evenly spaced, from which the usual range of a column is estimated
_ENDS = 0.01  # share of the sampled values at both ends that the usual range does without
_MOST_FAR = 1_000  # far values of a column; one with more has long tails and no fill values
_HUGE = 1e30  # no sensor measures this
_LONG = 999  # numbers below it must be repeated to count
_REPEATED = 3  # times
_LARGER = 1e6  # than all else, for a number that does not look like a fill value
_LIMITS = {2.0**bits - 1 for bits in (8, 15, 16, 31, 32, 63, 64)}
_LOWEST = {-(2.0**bits) for bits in (15, 31, 63)}
_EXPORTED = {-8888.0, -7777.0, 1e20, -1e20}


@dataclass(frozen=True)
class FillValue:
    """A number that stands for a missing value in a column, and the cells that hold it."""

    column: str
    value: float
    cells: int
    share: float  # of the rows


@dataclass(frozen=True)
class _Usual:
    """The usual range of columns: (K,), (K,), infinite for one without any value."""

    low: Float64
    high: Float64

    def far(self, values: Float64) -> Bool:
        """Return which values lie further off the range than it is wide: (R, K)."""
        with np.errstate(invalid="ignore", over="ignore"):
            width = self.high - self.low
            outside = (values > self.high + width) | (values < self.low - width)
        return np.asarray(outside & np.isfinite(values))


def find_fill_values(
    rows: Rows, names: Sequence[str], columns: Sequence[int]
) -> tuple[FillValue, ...]:
    """Return the fill values of the columns (by index), in bounded memory."""
    if not columns or not len(rows):
        return ()
    usual = _usual_range(rows, columns)
    return tuple(
        FillValue(names[column], value, cells, cells / len(rows))
        for place, (column, far) in enumerate(
            zip(columns, _far_values(rows, columns, usual), strict=True)
        )
        for value, cells in sorted(far.items())
        if _is_fill(value, cells, max(abs(usual.low[place]), abs(usual.high[place])))
    )


def looks_like_fill(value: float) -> bool:
    """Whether a number is one that stands for a missing value in many files.

    >>> [looks_like_fill(each) for each in (-9999, 99.9, 65535, 1.7e308, 20.5, 0)]
    [True, True, True, True, False, False]
    """
    if abs(value) >= _HUGE or abs(value) in _LIMITS or value in _LOWEST or value in _EXPORTED:
        return True
    texts = (f"{abs(value):.{digits}g}".replace(".", "") for digits in (6, 15))
    return any(len(text) > 1 and set(text) == {"9"} for text in texts)


def _is_fill(value: float, cells: int, largest: float) -> bool:
    """Whether a number that lies far off the others stands for a missing value."""
    if looks_like_fill(value) and abs(value) >= _LONG:
        return True
    if cells < _REPEATED:
        return False
    return looks_like_fill(value) or abs(value) > _LARGER * largest > 0


def _usual_range(rows: Rows, columns: Sequence[int]) -> _Usual:
    """Estimate the usual range, without the numbers at both ends that look like fill values."""
    step = max(1, len(rows) // _SAMPLE_ROWS)
    sample = pick_rows(rows.values, np.arange(0, len(rows), step))
    low, high = np.full(len(columns), -np.inf), np.full(len(columns), np.inf)
    for place, column in enumerate(columns):
        values = sample[:, column]
        real = np.unique(values[np.isfinite(values)])
        while len(real) and looks_like_fill(real[-1]):
            real = real[:-1]
        while len(real) and looks_like_fill(real[0]):
            real = real[1:]
        if len(real):
            low[place], high[place] = np.quantile(real, [_ENDS, 1 - _ENDS])
    return _Usual(low, high)


def _far_values(rows: Rows, columns: Sequence[int], usual: _Usual) -> list[Counter[float]]:
    """Count the values far off the usual range, of each column; none where they are many."""
    counted: list[Counter[float]] = [Counter() for _ in columns]
    for batch in batches_of(rows):
        values = np.asarray(batch.values)[:, list(columns)]
        far = usual.far(values)
        for place in np.flatnonzero(far.any(axis=0)).tolist():
            found, cells = np.unique(values[far[:, place], place], return_counts=True)
            if len(counted[place]) <= _MOST_FAR:
                counted[place].update(dict(zip(found.tolist(), cells.tolist(), strict=True)))
    return [far if len(far) <= _MOST_FAR else Counter() for far in counted]
