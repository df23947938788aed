"""Columns that only grow: counters, and mere row numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.data.counters import rises
from aedetect.data.memmap import batches_of
from aedetect.data.rows import Rows

_FEWEST_RISES = 30  # in all rows, for a column to be a counter
_RISING = 0.01  # share of the steps that rise, at least: a setpoint rises now and then
_RESETS = 0.02  # share of the changes that may be falls: a counter starts again now and then
_HOPELESS = 0.2  # share of falls in the first rows at which no more rows are looked at
_ALIKE = 0.98  # share of the steps that are the same, for a row number or a clock
_ROUNDING = 1e-6  # of a step, in files of decimal fractions
_COARSE = 0.1  # of a step, up to which rounding of the level is told from real differences
_SPAN, _EVEN = 16, 0.9  # steps, and share of such spans in which a rounded clock rises by the same
_FIRST_ROWS = 8_192
_AT_ONCE = 64  # columns whose first rows are looked at together


@dataclass
class Growth:
    """How a column changes from reading to reading of an entity."""

    up: int = 0
    down: int = 0
    same: int = 0
    step: float = np.nan  # a typical rise
    alike: int = 0  # rises of this size
    unit: float = 0.0  # the level is written in multiples of it, as hours of two decimals
    near: int = 0  # rises of this size but for one unit
    spans: int = 0  # of steps
    even: int = 0  # that rise by the same but for one unit, so that rounding is all that differs

    @property
    def grows(self) -> bool:
        """Whether the column only grows, but for a few resets."""
        changes, steps = self.up + self.down, self.up + self.down + self.same
        return (
            self.up >= _FEWEST_RISES
            and self.up >= _RISING * steps
            and self.down <= _RESETS * changes
        )

    @property
    def is_row_number(self) -> bool:
        """Whether the column grows by the same in every row, as a row number or a clock does.

        Hours of operation in two decimals grow by 0.16 or 0.17 in ten minutes: they are a clock,
        too. A meter that varies by a unit of its own does so in longer spans as well.
        """
        enough = _ALIKE * (self.up + self.same)
        rounded = self.near >= enough and self.spans > 0 and self.even >= _EVEN * self.spans
        return self.grows and (self.alike >= enough or rounded)

    @property
    def is_settled(self) -> bool:
        """Whether a column falls so often that further rows cannot make it a counter."""
        return bool(_is_settled(self.up, self.down))

    def add(self, rise: Float64) -> None:
        """Count the steps of further rows: (R,), NaN for no step."""
        up = rise[rise > 0]
        if np.isnan(self.step) and len(up):
            self.step = float(np.median(up))
            self.unit = _unit(up, self.step)
        self.up += len(up)
        self.down += int((rise < 0).sum())
        self.same += int((rise == 0).sum())
        off = np.abs(up - self.step)
        self.alike += int((off <= _ROUNDING * self.step).sum())
        if self.unit:
            most = self.unit + _ROUNDING * self.step
            spans = rise[: len(rise) // _SPAN * _SPAN].reshape(-1, _SPAN).sum(axis=1)
            spans = spans[np.isfinite(spans)]
            self.near += int((off <= most).sum())
            self.spans += len(spans)
            self.even += int((np.abs(spans - np.median(spans)) <= most).sum()) if len(spans) else 0


def _unit(up: Float64, step: float) -> float:
    """Return the least difference between rises; 0 where it is too coarse to be rounding."""
    with np.errstate(over="ignore"):  # of values near the largest number
        sizes = np.unique(np.round(up / step, 6))
    sizes = sizes[np.isfinite(sizes)]
    unit = float(np.diff(sizes).min(initial=np.inf))
    return unit * step if unit <= _COARSE else 0.0


def find_growth(rows: Rows, columns: Sequence[int]) -> dict[int, Growth]:
    """Return the columns that only grow, in bounded memory.

    Most columns are settled by the first rows, and the others are few.
    """
    begin = rows.take(slice(0, _FIRST_ROWS))
    falling = _falling(begin, columns)
    columns = [each for each in columns if each not in falling]
    first = _count(begin, columns)
    if len(rows) > _FIRST_ROWS:
        first = _count(rows, [each for each in columns if not first[each].is_settled])
    return {column: growth for column, growth in first.items() if growth.grows}


def _falling(rows: Rows, columns: Sequence[int]) -> set[int]:
    """Return columns that fall so often that none can be a counter, of those without a gap.

    Most are among them, and are looked at together.
    """
    found: set[int] = set()
    if rows.duplicates.any():
        return found
    within = ~rows.starts[1:]
    for start in range(0, len(columns), _AT_ONCE):
        some = np.array(columns[start : start + _AT_ONCE])
        values = np.asarray(rows.values[:, some])
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.diff(values, axis=0)[within]
        up, down = (steps > 0).sum(axis=0), (steps < 0).sum(axis=0)
        settled = np.isfinite(values).all(axis=0) & _is_settled(up, down)
        found.update(some[settled].tolist())
    return found


def _is_settled(up: Int64 | int, down: Int64 | int) -> Bool | bool:
    return down > _FEWEST_RISES + _HOPELESS * (up + down)


def _count(rows: Rows, columns: Sequence[int]) -> dict[int, Growth]:
    growth = {column: Growth() for column in columns}
    for steps in rises(batches_of(rows), columns):
        for column, rise in zip(columns, steps, strict=True):
            growth[column].add(rise)
    return growth
