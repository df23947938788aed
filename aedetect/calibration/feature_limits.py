"""How far each column may be from what is expected of it, by entity."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float32, Int32
from aedetect.calibration.conformal import rows_for


def learn_limits(
    residual: Float32, seen: Bool, entity: Int32, *, entities: int, rate: float
) -> Float32:
    """Return the limit of |observed - expected|: (N, D), (N, D), (N,) -> (max(E, 1), D).

    In model units, of held-out rows, over the observed cells. A normal cell is beyond it with at
    most the given chance: the conformal quantile, as for scores (see `conformal`). An entity
    with too few rows for that takes the limits of all; too few of all give the largest residual.
    """
    size = np.where(seen, np.abs(residual), np.nan)
    pooled = _quantiles(size, rate)
    limits = np.tile(pooled, (max(entities, 1), 1))
    for code in np.unique(entity).tolist():
        chosen = entity == code
        if chosen.sum() >= rows_for(rate):
            own = _quantiles(size[chosen], rate)
            limits[code] = np.where(np.isnan(own), pooled, own)
    return np.asarray(np.nan_to_num(limits, nan=np.inf), dtype=np.float32)


def _quantiles(size: Float32, rate: float) -> Float32:
    """Return the conformal quantile of each column, NaN where nothing was observed: (N, D) -> (D,).

    A column with too few cells gives its largest.
    """
    ordered = np.sort(size, axis=0)  # NaN last
    count = (~np.isnan(size)).sum(axis=0)
    above = np.floor((count + 1) * rate + 1e-9).astype(np.int64)
    place = np.clip(count - np.maximum(above, 1), 0, max(len(ordered) - 1, 0))
    return np.asarray(ordered[place, np.arange(size.shape[1])])
