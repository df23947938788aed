"""Values at which a number may stay for ever: an idle load of 0 is no stuck sensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.data import Rows

_SHARE = 0.1  # of an entity's training rows, from which on a value is common
_KEY = np.dtype([("entity", np.int64), ("value", np.float64)])


@dataclass(frozen=True, kw_only=True)
class RestingValues:
    """Common values of columns: entity (K,), column (K,) and value (K,) of each.

    own (E + 1,) states which entities have values of their own; the others take those of index E,
    which is all entities together.
    """

    own: Bool
    entity: Int64
    column: Int64
    value: Float64

    @classmethod
    def fit(cls, rows: Rows, columns: Iterable[int], own: Bool) -> RestingValues:
        """Find values that at least a tenth of the rows of an entity have: own (E,) -> (E + 1,)."""
        pooled = len(own)
        together = np.full(len(rows), pooled, dtype=np.int64)
        each = np.cumsum(rows.starts) - 1 if pooled else together
        keys, places = [np.empty(0, _KEY)], [np.empty(0, np.int64)]
        fewest = np.bincount(each)[own].min() if own.any() else len(rows)
        for column in columns:
            values = np.asarray(rows.values[:, column])
            most = _largest_count(values)
            if most < _SHARE * fewest:  # of no entity, nor of all together
                continue
            found = _common(together, values)
            if own.any():
                single = _common(each, values)
                found = np.concatenate([single[own[single["entity"]]], found])
            keys.append(found)
            places.append(np.full(len(found), column, dtype=np.int64))
        key = np.concatenate(keys)
        return cls(
            own=np.append(own, True),
            entity=key["entity"],
            column=np.concatenate(places),
            value=key["value"],
        )

    def include(self, values: Float64, entity: Int32, column: int) -> Bool:
        """Return which values of a column are common: (R,), entity (R,) as learnt, -1 unseen."""
        which = self.column == column
        if not which.any():
            return np.zeros(len(values), dtype=bool)
        pooled = len(self.own) - 1
        known = np.where(entity < 0, pooled, entity).astype(np.int64)
        owner = np.where(self.own[known], known, pooled)
        common = _keys(self.entity[which], self.value[which])
        return np.asarray(np.isin(_keys(owner, values), common))

    def described(self) -> dict[str, Any]:
        """Return the values as JSON takes them."""
        return {name: array.tolist() for name, array in vars(self).items()}

    @classmethod
    def restored(cls, described: dict[str, Any]) -> RestingValues:
        """Return the values that `described` gave."""
        return cls(
            own=np.array(described["own"], dtype=bool),
            entity=np.array(described["entity"], dtype=np.int64),
            column=np.array(described["column"], dtype=np.int64),
            value=np.array(described["value"], dtype=np.float64),
        )


def _keys(entity: Int64, value: Float64) -> np.ndarray:
    keys = np.empty(len(entity), _KEY)
    keys["entity"], keys["value"] = entity, value + 0.0  # -0.0 is 0.0
    return keys


def _largest_count(values: Float64) -> int:
    """Return how often the most frequent value occurs."""
    ordered = np.sort(values[np.isfinite(values)])
    if not len(ordered):
        return 0
    changes = np.append(True, ordered[1:] != ordered[:-1])
    return int(np.diff(np.append(np.flatnonzero(changes), len(ordered))).max())


def _common(entity: Int64, values: Float64) -> np.ndarray:
    """Return the keys of values with a large share of the rows of their entity."""
    rows = np.bincount(entity)
    present = np.isfinite(values)
    entity, values = entity[present], values[present]
    order = np.lexsort((values, entity))
    entity, values = entity[order], values[order]
    keys = _keys(entity, values)
    other = (entity[1:] != entity[:-1]) | (values[1:] != values[:-1])
    changes = np.append(np.ones(min(len(keys), 1), dtype=bool), other)
    first = np.flatnonzero(changes)
    count = np.diff(np.append(first, len(keys)))
    common: np.ndarray = keys[first[count >= _SHARE * rows[keys["entity"][first]]]]
    return common
