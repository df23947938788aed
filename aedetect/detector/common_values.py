"""Values that a column has in a large share of the training rows, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.data import Rows
from aedetect.data.memmap import pieces_of

SHARE = 0.1  # of an entity's training rows, from which on a value is common
KEY = np.dtype([("entity", np.int64), ("value", np.float64)])
# A value with a share of all rows has it in a batch of them, whatever the rounding of shares.
_ANYWHERE = SHARE * (1 - 1e-9)


@dataclass(frozen=True)
class _Column:
    """Values of a column that may be common, in order, and how many rows hold each: (K,)."""

    keys: np.ndarray  # of type KEY
    rows: Int64

    def count(self, values: Float64, entity: Int64) -> None:
        """Count the rows of a batch: (R,), entity (R,)."""
        known = np.unique(self.keys["value"])
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        same = known[place] == values
        wanted = self.keys["entity"] * len(known) + np.searchsorted(known, self.keys["value"])
        found, count = np.unique((entity * len(known) + place)[same], return_counts=True)
        at = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
        is_wanted = wanted[at] == found
        self.rows[at[is_wanted]] += count[is_wanted]


def common_values(rows: Rows, columns: Sequence[int], own: Bool) -> list[np.ndarray]:
    """Return the common values of each column, in order, of entities with `own` (E,), and of all.

    All entities together have the number E. Reads the rows twice.
    """
    pooled = len(own)
    found = [
        _Column(keys, np.zeros(len(keys), dtype=np.int64))
        for keys in _candidates(rows, columns, own)
    ]
    sizes = np.zeros(pooled + 1, dtype=np.int64)
    sizes[-1] = len(rows)
    for batch, first, number in pieces_of(rows):
        lengths = np.diff(np.append(first, len(batch)))
        entity = np.repeat(number, lengths)
        if pooled:
            sizes[number] += lengths
        for each, column in zip(found, columns, strict=True):
            if len(each.keys):
                values = np.asarray(batch.values[:, column])
                each.count(values, np.full(len(batch), pooled))
                if own.any():
                    each.count(values, entity)
    return [each.keys[each.rows >= SHARE * sizes[each.keys["entity"]]] for each in found]


def value_keys(entity: Int64, value: Float64) -> np.ndarray:
    """Return entities and values as one array that can be sorted and compared."""
    keys = np.empty(len(entity), KEY)
    keys["entity"], keys["value"] = entity, value + 0.0  # -0.0 is 0.0
    return keys


def _candidates(rows: Rows, columns: Sequence[int], own: Bool) -> list[np.ndarray]:
    """Return the values that are common in a batch, of each column."""
    pooled = len(own)
    found: list[list[np.ndarray]] = [[np.empty(0, KEY)] for _ in columns]
    for batch, first, number in pieces_of(rows):
        lengths = np.diff(np.append(first, len(batch)))
        single = own[number] if pooled else np.zeros(len(number), dtype=np.bool_)
        piece = np.repeat(np.arange(len(first)), lengths)
        values = np.ascontiguousarray(np.asarray(batch.values).T[list(columns)])
        fewest = min([len(batch), *lengths[single].tolist()])
        for place in np.flatnonzero(_repeat(values, fewest)).tolist():
            together = _frequent(np.zeros(len(batch), dtype=np.int64), values[place])
            together["entity"] = pooled
            found[place].append(together)
            if single.any():
                apart = _frequent(piece, values[place])
                apart = apart[single[apart["entity"]]]
                apart["entity"] = number[apart["entity"]]
                found[place].append(apart)
    return [np.unique(np.concatenate(each)) for each in found]


def _repeat(values: Float64, rows: int) -> Bool:
    """Return which columns hold a value in a share of some rows: (F, R) -> (F,)."""
    least = max(math.ceil(_ANYWHERE * rows), 1)
    ordered = np.sort(values, axis=1)
    same = ordered[:, least - 1 :] == ordered[:, : ordered.shape[1] - least + 1]
    return np.asarray(same.any(axis=1))


def _frequent(entity: Int64, values: Float64) -> np.ndarray:
    """Return the keys of values with a share of the rows of their entity: (R,), (R,)."""
    rows = np.bincount(entity)
    present = np.isfinite(values)
    entity, values = entity[present], values[present]
    order = np.lexsort((values, entity))
    keys = value_keys(entity[order], values[order])
    changes = np.ones(len(keys), dtype=np.bool_)
    changes[1:] = keys[1:] != keys[:-1]
    first = np.flatnonzero(changes)
    count = np.diff(np.append(first, len(keys)))
    frequent: np.ndarray = keys[first[count >= _ANYWHERE * rows[keys["entity"][first]]]]
    return frequent
