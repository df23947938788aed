"""Values at which a number may stay for ever: an idle load of 0 is no stuck sensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.data import Rows
from aedetect.detector.common_values import KEY, common_values, value_keys


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
        listed = list(columns)
        found = common_values(rows, listed, own)
        key = np.concatenate([np.empty(0, KEY), *found])
        return cls(
            own=np.append(own, True),
            entity=key["entity"],
            column=np.repeat(np.array(listed, dtype=np.int64), [len(keys) for keys in found]),
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
        common = value_keys(self.entity[which], self.value[which])
        return np.asarray(np.isin(value_keys(owner, values), common))

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
