"""Excesses of many entities -> one shape for all and a scale of each.

How fast a tail falls differs little between entities, and takes hundreds of excesses to estimate;
how wide it is differs much, and takes a few: regional frequency analysis, as for floods in Hosking,
Wallis: Regional frequency analysis (1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32

GRID = np.append(1e-6, np.linspace(0.05, 1.5, 30))  # shapes; the first stands for exponential
PRIOR, SPREAD = 0.4, 0.4  # of shapes, where there are few excesses
MIN_EXCESSES = 6  # of an entity that helps to estimate the shape
_MOST = 20_000  # excesses used for the shape
_STEPS = 15  # of the fixed point; it converges geometrically


def fit_shape(
    excess: Float64, entity: Int32, *, entities: int, censored_share: float = 0.0
) -> float:
    """Return the most likely shape of excesses above 0: (S,), (S,).

    The largest excesses of each entity may be censored: then they decide nothing. The scales are
    integrated out (by Laplace's method; the information on a log scale is 1 / (1 + 2 shape) an
    excess), because with the best scales of many entities the shape would be too small: Neyman,
    Scott: Consistent estimates based on partially consistent observations (1948).
    """
    count = np.bincount(entity, minlength=entities)
    enough = count >= MIN_EXCESSES
    every = max(1, -(-int(count[enough].sum()) // _MOST))
    helps = enough & (np.cumsum(enough) % every == 0)
    chosen = helps[entity]
    size, owner = excess[chosen], entity[chosen]
    if not len(size):
        return PRIOR
    size, censored = censor(size, owner, entities=entities, share=censored_share)
    losses = [
        _loss(size, censored, owner, shape, entities=entities)
        - len(np.unique(owner)) * np.log1p(2 * shape) / 2
        + (shape - PRIOR) ** 2 / (2 * SPREAD**2)
        for shape in GRID.tolist()
    ]
    return float(GRID[int(np.argmin(losses))])


def fit_scales(
    excess: Float64,
    entity: Int32,
    shape: float,
    *,
    entities: int,
    censored_share: float = 0.0,
) -> Float64:
    """Return the most likely scale of each entity, 1 without any excess: (E,)."""
    size, censored = censor(excess, entity, entities=entities, share=censored_share)
    return _scales(size, censored, entity, shape, entities=entities)


def unit_excess(excess: Float64, scale: Float64, shape: float) -> Float64:
    """Return excesses as they would be with shape 0 and scale 1: (S,), (S,) -> (S,)."""
    return np.asarray(np.log1p(shape * excess / scale) / shape)


def censor(excess: Float64, entity: Int32, *, entities: int, share: float) -> tuple[Float64, Bool]:
    """Lower the largest share of excesses of each entity to the largest below them: (S,), (S,)."""
    if not len(excess) or not share:
        return excess, np.zeros(len(excess), dtype=np.bool_)
    order = np.lexsort((excess, entity))
    owner, count = entity[order], np.bincount(entity, minlength=entities)
    first = np.cumsum(count) - count
    kept = count - np.where(count > 1, np.ceil(share * count), 0).astype(np.int64)
    limit = excess[order][np.clip(first + kept - 1, 0, max(len(order) - 1, 0))]
    beyond = np.zeros(len(excess), dtype=np.bool_)
    beyond[order] = np.arange(len(order)) - first[owner] >= kept[owner]
    return np.where(beyond, limit[entity], excess), beyond


def _scales(
    size: Float64, censored: Bool, entity: Int32, shape: float, *, entities: int
) -> Float64:
    """Solve the likelihood equation of the scale: a weighted mean, with weights that depend on it.

    A censored excess has weight 1, another 1 + shape.
    """
    count = np.maximum(np.bincount(entity, ~censored, minlength=entities), 1)
    weight = np.where(censored, 1.0, 1.0 + shape) * size
    total = np.bincount(entity, size, minlength=entities)
    scale = np.where(total > 0, total / count, 1.0)
    for _ in range(_STEPS):
        term = weight / (1 + shape * size / scale[entity])
        found = np.bincount(entity, term, minlength=entities) / count
        scale = np.where(total > 0, found, 1.0)
    return np.asarray(np.maximum(scale, 1e-300))


def _loss(size: Float64, censored: Bool, entity: Int32, shape: float, *, entities: int) -> float:
    """Return the negative log likelihood of a shape, with the best scales."""
    scale = _scales(size, censored, entity, shape, entities=entities)[entity]
    log = np.log1p(shape * size / scale)
    return float(np.where(censored, log / shape, (1 / shape + 1) * log + np.log(scale)).sum())
