"""Lines with a fixed budget of points: the smallest and the largest value of each pixel column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.wall_clock import WallClock

MAX_COLUMNS = 120  # pixel columns of a line: twice as many points
_DIGITS = 5  # significant
_SECOND = 1e9  # ns


def extremes(time: Int64, value: Float64, *, most: int = MAX_COLUMNS) -> Int64:
    """Return the positions of the smallest and largest value of each pixel column, in order.

    Shapes: time (N,) ns ascending, value (N,) with NaN for a missing one -> at most 2 x `most`.
    Every row is kept when that is no more.

    >>> extremes(np.arange(6), np.array([0.0, 9.0, 1.0, 2.0, 3.0, 2.5]), most=2).tolist()
    [0, 1, 3, 4]
    """
    if len(time) <= 2 * most:
        return np.arange(len(time))
    width = (int(time[-1]) - int(time[0])) // most + 1
    column = (time - time[0]) // width
    first = np.flatnonzero(np.diff(column, prepend=-1))
    group = np.cumsum(np.diff(column, prepend=-1) > 0) - 1
    low = np.lexsort((np.where(np.isnan(value), np.inf, value), group))[first]
    last = np.append(first[1:], len(time)) - 1
    high = np.lexsort((np.where(np.isnan(value), -np.inf, value), group))[last]
    return np.unique(np.concatenate([low, high]))


@dataclass(frozen=True, kw_only=True)
class Line:
    """Values over time for a chart: time (N,) ns, and lists of N values by name."""

    time: Int64
    values: dict[str, Float64]

    def described(self, clock: WallClock) -> dict[str, Any]:
        """Return it as JSON: seconds on the face of the clock, as steps, and rounded values."""
        shown = (self.time + clock.offset(self.time)) / _SECOND
        steps = np.diff(shown, prepend=shown[:1])
        first = float(shown[0]) if len(shown) else 0.0
        return {
            "first": int(first) if first.is_integer() else first,
            "steps": [int(each) if each.is_integer() else each for each in steps.tolist()],
            **{name: rounded(values) for name, values in self.values.items()},
        }


def rounded(values: Float64) -> list[float | int | None]:
    """Return values with five significant digits, None for those that are no numbers.

    >>> rounded(np.array([0.123456, 5.0, np.nan]))
    [0.12346, 5, None]
    """
    return [_short(each) if np.isfinite(each) else None for each in values.tolist()]


def _short(value: float) -> float | int:
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short  # noqa: PLR2004
