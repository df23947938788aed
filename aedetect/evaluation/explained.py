"""How much do two versions know of rows: what each expects of a cell that it does not see.

Injected anomalies and p-values are measured against a version's own scores. One that learnt each
column alone expects nothing of normal rows, and what is injected stands out of them as it does for
one that knows them. A residual does not tell it either: a network may copy what it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int32
from aedetect.evaluation.gate import Check
from aedetect.evaluation.paired import greatest_value, margin_of, resampled_means
from aedetect.evaluation.settings import PromotionSettings

_LEAST_VARIANCE = 1e-6  # in units of a column's usual spread; a column that rests has nothing
_TINY = 1e-300


@dataclass(frozen=True)
class HiddenCells:
    """Cells of rows, and what a version expects of each from the other cells: (N, F) twice.

    Rows are those of entities one after another: entity (N,). NaN where nothing was observed.
    """

    entity: Int32
    observed: Float64
    expected: Float64


def explained_checks(
    hidden: Mapping[str, HiddenCells], settings: PromotionSettings
) -> tuple[Check, ...]:
    """Compare the shares of the variation of cells that are known from the rest.

    Of a column it is the squared correlation of expected and observed cells, within entities, 0
    where they go against each other; the mean over columns that vary counts. So a level that is
    wrong throughout does not matter: after the world has changed, it is the champion's. No check
    where no column varies.
    """
    if not hidden:
        return ()
    sums = [_products(hidden[role]) for role in ("challenger", "champion")]
    live = np.logical_and(*(each[0].mean(axis=0) > _LEAST_VARIANCE for each in sums))
    if not live.any():
        return ()
    products = np.concatenate([part[:, live] for each in sums for part in each], axis=1).T
    new, old = _shares(products.mean(axis=1)).tolist()
    replicates = _shares(resampled_means(products, seed=0))
    most = greatest_value(replicates[:, 0] - replicates[:, 1])
    limit = -margin_of(old, settings.explained)
    text = "share of the variation of hidden cells that is known from the others"
    return (Check("explained", new, old, most, limit, greater_is_better=True, text=text),)


def _products(cells: HiddenCells) -> tuple[Float64, Float64, Float64]:
    """Return observed squared, expected squared and their product, within entities: (N, F) each."""
    there = np.isfinite(cells.observed)
    observed = _centred(np.where(there, cells.observed, 0.0), there, cells.entity)
    expected = _centred(np.where(there, cells.expected, 0.0), there, cells.entity)
    return np.square(observed), np.square(expected), observed * expected


def _centred(values: Float64, there: Bool, entity: Int32) -> Float64:
    """Return distances from the mean of each entity, 0 where there is none: (N, F)."""
    first = np.flatnonzero(np.diff(entity, prepend=entity[0] - 1))
    rows = np.diff(np.append(first, len(values)))
    count = np.add.reduceat(there.astype(np.int64), first, axis=0)
    mean = np.add.reduceat(values, first, axis=0) / np.maximum(count, 1)
    return np.where(there, values - np.repeat(mean, rows, axis=0), 0.0)


def _shares(products: Float64) -> Float64:
    """Return the mean squared correlations, the challenger's first: (..., 6 F) -> (..., 2)."""
    parts = np.split(products, 6, axis=-1)
    found = [
        np.square(np.maximum(both, 0)) / np.maximum(observed * expected, _TINY)
        for observed, expected, both in (parts[:3], parts[3:])
    ]
    return np.stack([each.mean(axis=-1) for each in found], axis=-1)
