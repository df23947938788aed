"""Residuals -> each feature's part of a row's score, and the score; selected by name.

A part is never negative, is 0 for unobserved features, and grows without limit, as does the score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aedetect.arrays import Bool, Float32, Int32, Int64, grouped_rows
from aedetect.calibration.settings import ScoreName
from aedetect.detector.reconstruction import product
from aedetect.detector.residuals import (
    NATS,
    Residuals,
    by_feature,
    learn_sizes,
    learn_tails,
    learn_whitening,
    magnitudes,
)
from aedetect.preprocessing.preparation import first_columns

Parts = Callable[[Float32, Bool, Int32, Residuals, Int64], Float32]


def learn_residuals(
    score: ScoreName, residual: Float32, seen: Bool, entity: Int32, *, entities: int, owner: Int64
) -> Residuals:
    """Learn the statistics that a score needs from residuals: (N, D), (N, D), (N,), owner (D,)."""
    size = learn_sizes(residual, seen, entity, entities=entities)
    if score == "mahalanobis":
        return Residuals(size, whitening=learn_whitening(residual / size[entity], seen))
    if score == "tail":
        first = first_columns(owner)
        magnitude = magnitudes(residual, seen, owner)
        tail = learn_tails(magnitude, seen[:, first], entity, entities=entities)
        return Residuals(size, tail=tail)
    return Residuals(size)


def combined(score: ScoreName, parts: Float32, counted: Int64, *, top_k: int) -> Float32:
    """Return the mean of a row's parts, or of the largest: (N, F), observed (N,) -> (N,)."""
    if score != "top_k":
        return np.asarray(parts.sum(axis=1) / np.maximum(counted, 1), dtype=np.float32)
    most = min(top_k, parts.shape[1])
    largest = np.sort(np.partition(parts, -most, axis=1)[:, -most:], axis=1)
    total = np.zeros(len(parts), dtype=np.float32)
    for column in largest.T:  # in a fixed order, so that a row's sum is always rounded alike
        total += column
    return np.asarray(total / np.clip(counted, 1, most), dtype=np.float32)


def _squared(
    residual: Float32, seen: Bool, _entity: Int32, _residuals: Residuals, owner: Int64
) -> Float32:
    squared = np.square(residual, out=residual)
    squared *= seen
    return by_feature(squared, owner)


def _standardized(
    residual: Float32, seen: Bool, entity: Int32, residuals: Residuals, owner: Int64
) -> Float32:
    residual /= residuals.size[entity]
    return _squared(residual, seen, entity, residuals, owner)


def _mahalanobis(
    residual: Float32, seen: Bool, entity: Int32, residuals: Residuals, owner: Int64
) -> Float32:
    """Square the decorrelated residuals; an unobserved one counts as 0, its expected value.

    The parts of the observed features then make up somewhat less than the distance given those
    alone, which would take the inverse of another matrix for every pattern of missing cells.
    """
    residual /= residuals.size[entity]
    residual *= seen
    return _squared(product(residual, residuals.whitening), seen, entity, residuals, owner)


def _tail(
    residual: Float32, seen: Bool, entity: Int32, residuals: Residuals, owner: Int64
) -> Float32:
    """Interpolate the log of the tail probability, and extend it by an exponential.

    That is the generalised Pareto tail of shape 0: Pickands: Statistical inference using extreme
    order statistics (1975). With it, a part grows in step with the residual, however large.
    """
    magnitude = magnitudes(residual, seen, owner)
    parts = np.zeros_like(magnitude)
    for code, rows in grouped_rows(entity):
        for feature, tail in enumerate(residuals.tail[code]):
            values = magnitude[rows, feature]
            beyond = np.maximum(values - tail[-2], 0) / tail[-1]
            parts[rows, feature] = np.interp(values, tail[:-1], NATS) + beyond
    return parts


PARTS: dict[ScoreName, Parts] = {
    "mse": _squared,
    "ensemble": _squared,  # of a row alone; with those before it, see aedetect.detector.ensemble
    "standardized": _standardized,
    "mahalanobis": _mahalanobis,
    "tail": _tail,
    "top_k": _standardized,
}
