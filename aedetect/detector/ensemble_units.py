"""What is typical of the members of the score "ensemble", learned from held-in rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int32, Int64
from aedetect.detector.ensemble import (
    LEVEL,
    MEMBERS,
    SWITCHES,
    RowErrors,
    excitement,
    member_values,
)
from aedetect.detector.smoothing import around

if TYPE_CHECKING:
    from aedetect.data import Feature

_HIGH = 0.99  # quantile of a member that is its unit
_HIGHER = 0.999  # of the switches, which count from there on only
_MIN_ROWS = 100  # with fewer, an entity takes the units of all together
_LEAST_OF_POOLED = 0.3  # an entity's unit is at least this share of that of all together
# of a unit, in squared model units
_LEAST = np.array([1e-3 if each == MEMBERS[SWITCHES] else 1e-6 for each in MEMBERS])
_BLOCKS = (128, 2_048)  # fewest and most rows that are taken together


def find_switches(features: tuple[Feature, ...], values: Float32) -> Bool:
    """Return which features are switches, that is, have two values at most: (R, F) -> (F,).

    Categories are. Where all features are, none counts as one: there is nothing else to score by.
    """
    found = np.array([feature.is_text for feature in features], dtype=np.bool_)
    for column in np.flatnonzero(~found):
        low, high = values[:, column].min(), values[:, column].max()
        found[column] = bool(((values[:, column] == low) | (values[:, column] == high)).all())
    return found if not found.all() else np.zeros_like(found)


def blocks_of(ends: Int64, *, most: int, entities: int) -> Int64:
    """Return at most about `most` of the rows, in blocks of neighbours: (N,) -> (M,).

    Means over neighbouring rows need these, and every entity should have some.
    """
    if len(ends) <= most:
        return ends
    size = int(np.clip(most // max(entities, 1), *_BLOCKS))
    step = -(-len(ends) // most)
    return np.asarray(ends[np.arange(len(ends)) // size % step == 0])


def contiguous(ends: Int64, back: Int64, *, length: int, stride: int) -> Int64:
    """Return the rows that strided windows end at, and those between them: (N,), (R,) -> (M,)."""
    if stride == 1:
        return ends
    marks = np.zeros(len(back), dtype=np.bool_)
    marks[ends] = True
    between = around(marks, before=stride - 1, after=0) & (back >= length - 1)
    return np.flatnonzero(between)


def learn_typical(errors: RowErrors, entity: Int32, *, entities: int) -> Float32:
    """Return the units of the members, and the typical level, by entity: (M,) -> (E + 1, 9).

    A unit lies between the entity's own quantile and that of all together, in the middle by ratio:
    few rows know their own tail badly, and entities do differ.
    """
    values = member_values(errors, np.arange(len(errors.tick)))
    typical = np.ones((entities + 1, LEVEL + 1))
    for member, each in enumerate(values):
        level = _HIGHER if member == SWITCHES else _HIGH
        typical[:, member] = _blended(_quantiles(each, entity, level, entities), _LEAST[member])
    residual, deviation = values[MEMBERS.index("R1")], values[MEMBERS.index("V1")]
    alone = excitement(residual, deviation, typical[entity].astype(np.float32))
    typical[:, LEVEL] = _blended(_means(alone, entity, entities), _LEAST[0])
    return typical.astype(np.float32)


def _blended(own: Float64, least: float) -> Float64:
    """Return the middle of own and pooled values by ratio: (E + 1,) with the pooled one last."""
    pooled = max(float(own[-1]), least)
    middle = np.sqrt(np.maximum(own, 0) * pooled)
    middle[-1] = pooled
    return np.maximum(middle, _LEAST_OF_POOLED * pooled)


def _quantiles(values: Float64, entity: Int32, level: float, entities: int) -> Float64:
    """Return the quantile of each entity, and of all together last: (M,), (M,) -> (E + 1,)."""
    pooled = float(np.quantile(values, level)) if len(values) else 0.0
    result = np.full(entities + 1, pooled)
    order = np.lexsort((values, entity))
    code, first, count = np.unique(entity[order], return_index=True, return_counts=True)
    many = (count >= _MIN_ROWS) & (code >= 0)
    place = first[many] + np.floor(level * (count[many] - 1)).astype(np.int64)
    result[code[many]] = values[order][place]
    return result


def _means(values: Float64, entity: Int32, entities: int) -> Float64:
    """Return the mean of each entity, and of all together last: (M,), (M,) -> (E + 1,)."""
    result = np.full(entities + 1, float(values.mean()) if len(values) else 0.0)
    known = entity >= 0
    count = np.bincount(entity[known], minlength=entities)[:entities]
    total = np.bincount(entity[known], values[known], minlength=entities)[:entities]
    many = np.flatnonzero(count >= _MIN_ROWS)
    result[many] = total[many] / count[many]
    return result
