"""What each column does by itself: how unusual a value is whatever the other columns say.

A network measures a value against the other columns. People also look at the column alone: is it
outside of its range, did it just jump? Both count for the causes of an anomaly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aedetect.arrays import Bool, Float32, Int32, Int64, column_quantiles, grouped_rows

_FEWEST = 100  # rows of an entity, with fewer it takes the values of all together
_LEAST = 0.2  # in units of scale; a smaller usual change is raised to it
_USUAL = 0.99  # share of the rows between `low` and `high`, and of the changes below `jump`
_NAMES = ("change", "low", "high", "jump")


@dataclass(frozen=True, kw_only=True)
class OwnValues:
    """Usual values of columns, in model units: E entities, D columns.

    Shapes (E + 1, D): root mean square of the change from the mean of a window; range of most
    values, largest of most changes. The last row is of all entities together, and used for unseen
    ones.
    """

    change: Float32
    low: Float32
    high: Float32
    jump: Float32

    def unusual(self, values: Float32, changes: Float32, entity: Int32) -> Bool:
        """Return which values are unusual in themselves, by level or by change: (N, D)."""
        outside = (values < self.low[entity]) | (values > self.high[entity])
        return np.asarray(outside | (np.abs(changes) > self.jump[entity]))

    def described(self) -> dict[str, Any]:
        """Return the values as JSON takes them."""
        return {name: getattr(self, name).astype(float).tolist() for name in _NAMES}

    @classmethod
    def restored(cls, described: dict[str, Any]) -> OwnValues:
        """Return the values that `described` gave."""
        return cls(**{name: np.array(described[name], dtype=np.float32) for name in _NAMES})


def changes_of(matrix: Float32, back: Int64, rows: Int64, *, columns: int, length: int) -> Float32:
    """Return how far rows are from the mean of the window that ends there: (R, D + K) -> (N, D).

    Of a row without a whole window, of the usable rows there are: back (R,) as in `Series`.
    """
    total = np.zeros((len(rows), columns), dtype=np.float32)
    count = np.clip(back[rows], 0, length - 1).astype(np.float32) + 1
    for step in range(length):  # row by row, so that a sum is always rounded alike
        within = step < count
        total += matrix[np.maximum(rows - step, 0), :columns] * within[:, None]
    return np.asarray(matrix[rows, :columns] - total / count[:, None], dtype=np.float32)


def learn_own_values(
    values: Float32, changes: Float32, seen: Bool, entity: Int32, *, entities: int
) -> OwnValues:
    """Learn from rows: (N, D), (N, D), observed (N, D), (N,). Unobserved cells do not count."""
    values, changes = (
        np.where(seen, each, np.float32(np.nan)) for each in (values, np.abs(changes))
    )
    found = np.tile(_learnt(values, changes), (entities + 1, 1, 1))
    for code, rows in grouped_rows(entity):
        if _FEWEST <= len(rows) < len(entity):
            own = _learnt(values[rows], changes[rows])
            found[code] = np.where(np.isnan(own), found[-1], own)
    found = np.nan_to_num(found, nan=0.0).astype(np.float32)
    change, low, high, jump = found.transpose(1, 0, 2)
    return OwnValues(
        change=np.maximum(change, np.float32(_LEAST)),
        low=low,
        high=high,
        jump=jump,
    )


def _learnt(values: Float32, changes: Float32) -> np.ndarray:
    """Return the four values of each column, NaN where nothing was observed: (N, D) -> (4, D)."""
    found = np.full((len(_NAMES), values.shape[1]), np.nan)
    levels = ((1 - _USUAL) / 2, (1 + _USUAL) / 2)
    found[1:3] = column_quantiles(values, levels, empty=np.nan)
    found[3] = column_quantiles(changes, (_USUAL,), empty=np.nan)[0]
    for column in range(values.shape[1]):
        change = changes[:, column]
        change = change[~np.isnan(change)].astype(np.float64)
        if len(change):
            found[0, column] = np.sqrt(np.square(change).mean())
    return found
