"""Statistics of typical residuals, learned from rows that the calibration does not contain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32, Float64, Int32, grouped_rows
from aedetect.preprocessing.preparation import first_columns

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int64


# Minus log of the share of residuals beyond each quantile of `tail`. The last quantile is exceeded
# by one in a hundred; beyond it the tail is exponential.
NATS: Float64 = np.linspace(0, math.log(100), 24)

_MIN_RESIDUAL = 0.5  # in units of scale; smaller residual sizes are raised to it
_MIN_ROWS = 100  # with fewer, an entity's residuals are not known well enough
_MIN_TAIL_ROWS = 1_000  # with fewer, the largest one in a hundred is not known well enough
_MIN_EIGENVALUE = 0.05  # of the covariance; there are directions that are explained fully


def _none(*shape: int) -> Float32:
    return np.empty(shape, dtype=np.float32)


@dataclass(frozen=True)
class Residuals:
    """Typical residuals: E entities, D columns, F features, Q quantiles.

    The last row of E + 1 is for all entities together, and used for unseen ones.
    Shapes: size (E + 1, D) root mean square; whitening (D, D) maps residuals in sizes to
    uncorrelated ones; tail (E + 1, F, Q + 1) quantiles of the absolute residual and its mean excess
    over the last; typical (E + 1, 9) units of the members of an ensemble, and switches (F,) 1 for
    columns of two values. All but the first are empty unless the score needs them.
    """

    size: Float32
    whitening: Float32 = field(default_factory=lambda: _none(0, 0))
    tail: Float32 = field(default_factory=lambda: _none(0, 0, 0))
    typical: Float32 = field(default_factory=lambda: _none(0, 0))
    switches: Float32 = field(default_factory=lambda: _none(0))


def by_feature(cells: Float32, owner: Int64) -> Float32:
    """Add up the columns of each feature: (N, D), (D,) -> (N, F)."""
    first = first_columns(owner)
    if len(first) == len(owner):
        return cells
    return np.asarray(np.add.reduceat(cells, first, axis=1), dtype=np.float32)


def magnitudes(residual: Float32, seen: Bool, owner: Int64) -> Float32:
    """Return the length of each feature's residual, of a number its size: (N, D) -> (N, F)."""
    return np.sqrt(by_feature(np.square(residual) * seen, owner))


def learn_sizes(residual: Float32, seen: Bool, entity: Int32, *, entities: int) -> Float32:
    """Return the root mean square residual by entity: (N, D), (N, D), (N,) -> (E + 1, D).

    Computed over the observed cells. Entities with few rows take the value of all together, which
    comes last.
    """
    squared = np.square(residual, dtype=np.float64) * seen
    pooled = _mean_square(squared, seen)
    sizes = np.tile(pooled, (entities + 1, 1))
    for code, chosen in grouped_rows(entity):
        if _MIN_ROWS <= len(chosen) < len(entity):
            sizes[code] = _mean_square(squared[chosen], seen[chosen])
    return np.asarray(np.maximum(np.sqrt(sizes), _MIN_RESIDUAL), dtype=np.float32)


def learn_whitening(sized: Float32, seen: Bool) -> Float32:
    """Return the symmetric inverse root of the covariance of residuals: (N, D), (N, D) -> (D, D).

    The covariance is shrunk (Ledoit, Wolf: A well-conditioned estimator for large-dimensional
    covariance matrices, 2004), and no column counts as smaller than its size. Of all matrices that
    whiten, the symmetric one keeps each new coordinate nearest to its own column (Kessy, Lewin,
    Strimmer: Optimal whitening and decorrelation, 2018: ZCA), so that their squares are the
    columns' parts of the squared Mahalanobis distance. Cells that are not observed count as 0.
    """
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(sized.astype(np.float64) * seen, assume_centered=True)
    covariance += np.diag(np.maximum(1 - np.diag(covariance), 0))
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors / np.sqrt(np.maximum(values, _MIN_EIGENVALUE))) @ vectors.T
    return np.asarray(root, dtype=np.float32)


def learn_tails(magnitude: Float32, seen: Bool, entity: Int32, *, entities: int) -> Float32:
    """Return quantiles and mean excess of each feature: (N, F), (N, F), (N,) -> (E + 1, F, Q + 1).

    Entities with few observed cells of a feature take the values of all together, which come last.
    No quantile is below that of a normal distribution with the smallest residual size as its
    standard deviation.
    """
    least = _normal_tail() * _MIN_RESIDUAL
    tails = np.empty((entities + 1, magnitude.shape[1], len(least)))
    for feature in range(magnitude.shape[1]):
        observed = seen[:, feature]
        values, owner = magnitude[observed, feature], entity[observed]
        tails[:, feature] = _tail(values)
        for code, rows in grouped_rows(owner):
            if len(rows) >= _MIN_TAIL_ROWS:
                tails[code, feature] = _tail(values[rows])
    tails = np.maximum(tails, least)
    tails[:, :, 0] = 0  # an absolute residual is at least 0
    return tails.astype(np.float32)


def _tail(values: Float32) -> Float64:
    """Return the quantiles and the mean excess over the last: (N,) -> (Q + 1,)."""
    if not len(values):
        return np.zeros(len(NATS) + 1)
    quantiles = np.quantile(values.astype(np.float64), -np.expm1(-NATS))
    beyond = values[values > quantiles[-1]]
    return np.append(quantiles, beyond.mean() - quantiles[-1] if len(beyond) else 0.0)


def _normal_tail() -> Float64:
    """Return the same for the absolute value of a standard normal variable: (Q + 1,)."""
    normal = NormalDist()
    quantiles = [normal.inv_cdf(1 - math.exp(-nats) / 2) for nats in NATS]
    last = quantiles[-1]
    return np.array([*quantiles, normal.pdf(last) / (1 - normal.cdf(last)) - last])


def _mean_square(squared: Float64, seen: Bool) -> Float64:
    return np.asarray(squared.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
