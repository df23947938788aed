"""Scale columns by their typical values, per entity and for all entities together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, column_quantiles, grouped_rows
from aedetect.preprocessing.settings import ScalerName

IQR_OF_NORMAL = 1.349  # inter-quartile range of a normal distribution with standard deviation 1
LEVELS = np.linspace(0.005, 0.995, 100)  # of the quantile scaler
NORMAL_SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
_FAR = 1e9  # inter-quartile ranges from the median; bursts of real sensors reach 5e5
_AT_ONCE = 64  # columns: what is computed of a sample takes several times its memory
_FEW = 0.01  # share of the values that may be that far off
_LARGEST = 1e150  # the squares of larger numbers are infinite
ROUNDING = 1e-11  # spread relative to size below which a column is constant but for arithmetic


@dataclass(frozen=True)
class Scaling:
    """Typical values: center (E, D), scale (E, D), quantiles (E, D, Q) or None.

    One row per entity, and a last row for all of them together.
    """

    center: Float64
    scale: Float64
    quantiles: Float64 | None = None

    @classmethod
    def fit(cls, parts: Sequence[Float64 | None], *, scaler: ScalerName, flat: Bool) -> Scaling:
        """Learn a scaling from a list of (R_e, D), one per entity, the last for all together.

        Entities with None are scaled as all together.
        Columns marked in `flat` (D,) are not scaled. A constant column takes the scale of all
        entities together; if that is 0 too, its own size, or 1 if that is 0: the first change of a
        constant then counts as one unit of scale and not as a hundred million. Values far off all
        others are not learnt from: one of 1e36 would make every other one typical.
        """
        some = [slice(at, at + _AT_ONCE) for at in range(0, len(flat), _AT_ONCE)]
        blocks = [
            cls._fit_columns(
                [None if part is None else part[:, block] for part in parts],
                scaler=scaler,
                flat=flat[block],
            )
            for block in some
        ]
        listed = [each.quantiles for each in blocks if each.quantiles is not None]
        return cls(
            np.hstack([each.center for each in blocks]),
            np.hstack([each.scale for each in blocks]),
            np.hstack(listed) if listed else None,
        )

    @classmethod
    def _fit_columns(
        cls, parts: Sequence[Float64 | None], *, scaler: ScalerName, flat: Bool
    ) -> Scaling:
        """Learn the scaling of some columns; no column depends on the others."""
        apart = [part for part in parts if part is not None]
        numbers = itertools.count()
        place = np.array([-1 if part is None else next(numbers) for part in parts])
        apart = _without_outliers(apart)
        learnt = [_typical(part, scaler) for part in apart]
        center = np.stack([row for row, _ in learnt])[place]
        scale = np.stack([row for _, row in learnt])[place]
        size = np.abs(center)  # not the largest value: one outlier would make a column constant
        pooled = np.where(
            scale[-1] > ROUNDING * size[-1], scale[-1], np.where(size[-1] > 0, size[-1], 1.0)
        )
        constant = scale <= ROUNDING * size
        scale = np.where(constant, pooled, scale)
        center[:, flat], scale[:, flat] = 0.0, 1.0
        if scaler != "quantile":
            return cls(center, scale)
        quantiles = np.stack([_quantiles(part) for part in apart])[place]
        quantiles = np.where(constant[:, :, None], center[:, :, None], quantiles)
        return cls(center, scale, np.where(flat[:, None], NORMAL_SCORES, quantiles))

    def transform(self, values: Float64, entity: Int32) -> Float64:
        """Scale values by the typical values of their entity: (R, D), (R,) -> (R, D)."""
        if self.quantiles is None:
            if len(self.center) == 1:
                return np.asarray((values - self.center[0]) / self.scale[0])
            return np.asarray((values - self.center[entity]) / self.scale[entity])
        return self._by_entity(values, entity, inverse=False)

    def inverse_transform(self, scaled: Float64, entity: Int32) -> Float64:
        """Return scaled values to original units: (R, D), (R,) -> (R, D)."""
        if self.quantiles is None:
            return scaled * self.scale[entity] + self.center[entity]
        return self._by_entity(scaled, entity, inverse=True)

    def _by_entity(self, values: Float64, entity: Int32, *, inverse: bool) -> Float64:
        """Map through the quantiles, entity by entity and column by column."""
        assert self.quantiles is not None, "only the quantile scaler keeps quantiles"
        result = np.empty_like(values)
        for code, chosen in grouped_rows(entity):
            for column, quantiles in enumerate(self.quantiles[code]):
                scale = self.scale[code, column]
                grid, scores = _without_ties(quantiles)
                known, wanted, slope = (grid, scores, 1 / scale)
                if inverse:
                    known, wanted, slope = (scores, grid, scale)
                result[chosen, column] = _extrapolate(values[chosen, column], known, wanted, slope)
        return result


def _without_outliers(parts: list[Float64]) -> list[Float64]:
    """Return the parts without the values that no scale can hold beside the others.

    They lie far off the middle half of the values, and are few. Quantiles take time: those of an
    entity are only computed where it has values far off those of all entities together.
    """
    reach = _reach(parts[-1])
    kept = []
    for part in parts:
        far = _beyond(part, *reach)
        if far.any():
            far = _beyond(part, *_reach(part))
            far &= far.mean(axis=0) <= _FEW
        kept.append(np.where(far, np.nan, part) if far.any() else part)
    return kept


def _reach(part: Float64) -> tuple[Float64, Float64]:
    """Return the lowest and highest value of each column that is learnt from."""
    low, middle, high = _quartiles(part)
    with np.errstate(over="ignore"):
        width = np.where(high > low, _FAR * (high - low), np.inf)
        return np.maximum(middle - width, -_LARGEST), np.minimum(middle + width, _LARGEST)


def _beyond(part: Float64, least: Float64, most: Float64) -> Bool:
    with np.errstate(invalid="ignore"):
        return np.asarray((part < least) | (part > most))


def _typical(part: Float64, scaler: ScalerName) -> tuple[Float64, Float64]:
    """Return center and scale of each column, 0 where there is no value."""
    with np.errstate(invalid="ignore"):
        if scaler == "standard":
            center, spread = _over(np.mean, part), _over(np.std, part)
        elif scaler == "minmax":
            center, spread = _over(np.min, part), _over(np.ptp, part)
        else:
            low, center, high = _quartiles(part)
            spread = (high - low) / IQR_OF_NORMAL
            if not (spread > 0).all():
                spread = np.where(spread > 0, spread, _over(np.std, part))
    return center, spread


def _over(statistic: object, part: Float64) -> Float64:
    """Apply a statistic to the finite values of each column; 0 where there are none."""
    assert callable(statistic)
    columns = [column[np.isfinite(column)] for column in part.T]
    return np.array([float(statistic(column)) if len(column) else 0.0 for column in columns])


def _quartiles(part: Float64) -> Float64:
    """Return the quartiles of each column: (R, D) -> (3, D), zeros where there is no value."""
    return column_quantiles(part, (0.25, 0.5, 0.75), empty=0.0)


def _quantiles(part: Float64) -> Float64:
    """Return the quantiles of each column: (R, D) -> (D, Q), zeros where there is no value."""
    return column_quantiles(part, LEVELS, empty=0.0).T


def _without_ties(quantiles: Float64) -> tuple[Float64, Float64]:
    """Return the distinct quantiles and the mean normal score of each: a value has one score."""
    grid, place = np.unique(quantiles, return_inverse=True)
    return grid, np.bincount(place, NORMAL_SCORES) / np.bincount(place)


def _extrapolate(values: Float64, known: Float64, wanted: Float64, slope: float) -> Float64:
    """Interpolate linearly, and extrapolate with a slope, so that no value saturates."""
    inside = np.interp(values, known, wanted)
    inside += np.maximum(values - known[-1], 0) * slope
    inside += np.minimum(values - known[0], 0) * slope
    return np.asarray(inside)
