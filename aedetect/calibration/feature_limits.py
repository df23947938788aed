"""Limits of the residual of each column, by entity."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float32, Int32, grouped_rows
from aedetect.calibration.conformal import rows_for


def fit_limits(
    residual: Float32, seen: Bool, entity: Int32, *, entities: int, rate: float
) -> Float32:
    """Return the limit of |observed - expected|: (N, D), (N, D), (N,) -> (max(E, 1), D).

    In model units, from the observed cells of held-out rows. A normal cell exceeds its limit with
    at most probability `rate`: the conformal quantile, as for scores (see `conformal`). An entity
    with too few rows gets the pooled limits; with too few rows in total, the limit is the largest
    residual.
    """
    size = np.where(seen, np.abs(residual), np.nan)
    pooled = _quantiles(size, rate)
    limits = np.tile(pooled, (max(entities, 1), 1))
    for code, chosen in grouped_rows(entity):
        if len(chosen) >= rows_for(rate):
            own = _quantiles(size[chosen], rate)
            limits[code] = np.where(np.isnan(own), pooled, own)
    return np.asarray(np.nan_to_num(limits, nan=np.inf), dtype=np.float32)


def _quantiles(size: Float32, rate: float) -> Float32:
    """Return the conformal quantile of each column, NaN where nothing was observed: (N, D) -> (D,).

    A column with too few cells gets its largest value.
    """
    ordered = np.sort(size, axis=0)  # NaN last
    count = (~np.isnan(size)).sum(axis=0)
    above = np.floor((count + 1) * rate + 1e-9).astype(np.int64)
    place = np.clip(count - np.maximum(above, 1), 0, max(len(ordered) - 1, 0))
    return np.asarray(ordered[place, np.arange(size.shape[1])])
