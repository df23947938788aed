"""Learn, apply and undo what turns rows into the model's numbers: filling, encoding, scaling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Bool, Float32, Float64, Int64
from aedetect.data import Feature, Rows, Schema
from aedetect.preprocessing.scaling import Scaling, learn_scaling
from aedetect.preprocessing.settings import MissingName, PrepareSettings
from aedetect.preprocessing.split import Part

STATISTICS_ROWS = 2_000_000  # rows in all, evenly spread, that typical values are taken from
MIN_ENTITY_ROWS = 30  # with fewer to learn from, an entity takes what is typical of all


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What was learnt, and what applies and undoes it. Shapes: E entities, D columns."""

    features: tuple[Feature, ...]
    context: tuple[Literal["hour", "weekday"], ...]
    entities: tuple[str | None, ...]  # as learnt; empty when all are scaled together
    scaling: Scaling
    clip: float
    missing: MissingName
    missing_limit: int  # ns
    min_observed: int = 1  # features that a row needs to be scored

    @property
    def owner(self) -> Int64:
        """(D,) the feature that each column belongs to: one a number, several a category."""
        widths = [max(len(feature.categories), 1) for feature in self.features]
        return np.repeat(np.arange(len(self.features)), widths)

    @property
    def width(self) -> int:
        """Columns that the model sees: those of the features, and two for each context."""
        return len(self.owner) + 2 * len(self.context)


@dataclass(frozen=True)
class Prepared:
    """Rows as the model sees them.

    Shapes: matrix (R, D + K) with the K context columns last; observed (R, D), False where a cell
    was filled in; entity (R,) row of the scaling, -1 when unseen; infinite and stale (R, F) say
    which features keep a row from being scored; usable (R,) says which rows can be in a window.
    """

    matrix: Float32
    observed: Bool
    entity: npt.NDArray[np.int32]
    infinite: Bool
    stale: Bool
    usable: Bool


def learn(rows: Rows, parts: npt.NDArray[np.int8], *, schema: Schema, settings: PrepareSettings,
          missing_limit: int) -> Preparation:  # fmt: skip
    """Learn what is typical from the rows of the learning part alone."""
    entities = rows.names if settings.per_entity else ()
    first = np.flatnonzero(rows.starts)
    learnt = np.add.reduceat((parts == Part.LEARN).astype(np.int64), first)
    slices = [slice(start, start + count) for start, count in zip(first, learnt, strict=True)]
    most = STATISTICS_ROWS // len(slices) + 1
    samples = [
        encode_categories(rows.values[_thin(piece, most)], schema.features) for piece in slices
    ]
    pooled = np.concatenate(samples)
    per_entity = [own if len(own) >= MIN_ENTITY_ROWS else pooled for own in samples]
    chosen = [*per_entity, pooled] if settings.per_entity else [pooled]
    widths = [max(len(feature.categories), 1) for feature in schema.features]
    flat = np.repeat([feature.is_text for feature in schema.features], widths)
    return Preparation(
        features=schema.features,
        context=schema.context,
        entities=entities,
        scaling=learn_scaling(chosen, scaler=settings.scaler, flat=flat),
        clip=settings.clip,
        missing=settings.missing,
        missing_limit=missing_limit,
        min_observed=_min_observed(settings.min_observed, rows, slices, most),
    )


def apply(preparation: Preparation, rows: Rows, *, unseen: bool = False) -> Prepared:
    """Fill, encode and scale rows; see `Prepared` for what comes out.

    With `unseen`, rows of entities that were not learnt are usable too: what is typical of all
    entities together is taken for typical of them.
    """
    infinite = np.isinf(rows.values)
    values = np.where(infinite, np.nan, rows.values) if infinite.any() else rows.values
    missing = np.isnan(values)
    filled, stale = (
        (values, missing) if not missing.any() else _fill(preparation, rows, values, missing)
    )
    entity = entity_codes(preparation, rows)
    # -1, of an unseen entity, is the last row of the scaling: that of all together.
    scaled = preparation.scaling.apply(encode_categories(filled, preparation.features), entity)
    if preparation.missing == "typical" and missing.any():
        scaled = np.nan_to_num(scaled, copy=False, nan=0.0)
    scaled = _compress(np.where(np.isnan(scaled), 0.0, scaled), preparation.clip)
    calendar = _calendar(rows.time, preparation.context)
    return Prepared(
        matrix=np.ascontiguousarray(np.hstack([scaled, calendar]), dtype=np.float32),
        observed=~(missing[:, preparation.owner]),
        entity=entity,
        infinite=infinite,
        stale=stale,
        usable=((entity >= 0) | unseen) & ~stale.any(axis=1),
    )


def undo(preparation: Preparation, scaled: Float64, entity: npt.NDArray[np.int32]) -> Float64:
    """Return model values to original units: (R, D), (R,) -> (R, D)."""
    return preparation.scaling.undo(_expand(scaled, preparation.clip), entity)


def encode_categories(values: Float64, features: Sequence[Feature]) -> Float64:
    """Spread categories over one column each: (R, F) -> (R, D). A category never seen is all 0."""
    if not any(feature.is_text for feature in features):
        return values
    columns = []
    for index, feature in enumerate(features):
        column = values[:, index : index + 1]
        if feature.is_text:
            hot = (column == np.arange(len(feature.categories))).astype(np.float64)
            column = np.where(np.isnan(column), np.nan, hot)
        columns.append(column)
    return np.hstack(columns)


def entity_codes(preparation: Preparation, rows: Rows) -> npt.NDArray[np.int32]:
    """Return each row's entity as learnt: (R,), 0 for all when scaled together, -1 when unseen."""
    if not preparation.entities:
        return np.zeros(len(rows), dtype=np.int32)
    known = {name: code for code, name in enumerate(preparation.entities)}
    lookup = np.array([known.get(name, -1) for name in rows.names], dtype=np.int32)
    return lookup[rows.entity]


def _thin(piece: slice, most: int) -> slice:
    """Take at most so many rows of a slice, evenly spread."""
    step = max(1, -(-(piece.stop - piece.start) // most))
    return slice(piece.start, piece.stop, step)


def _min_observed(share: float | None, rows: Rows, slices: Sequence[slice], most: int) -> int:
    """Return how many features a row needs to be scored.

    Unless a share is set: half of those that the median row learnt from has, because sensors that
    report by turns leave most cells of every row empty.
    """
    if share is not None:
        columns = int(rows.values.shape[1])
        return max(math.ceil(round(share * columns, 9)), 1)  # 0.1 x 30 is a little more than 3
    counts = [(~np.isnan(rows.values[_thin(piece, most)])).sum(axis=1) for piece in slices]
    return max(math.ceil(float(np.median(np.concatenate(counts))) / 2), 1)


def _fill(
    preparation: Preparation, rows: Rows, values: Float64, missing: Bool
) -> tuple[Float64, Bool]:
    """Fill missing cells by the setting; also say which could not be: (R, F), (R, F)."""
    if preparation.missing == "typical":
        return values, np.zeros_like(missing)
    if preparation.missing == "refuse":
        return values, missing
    filled, stale = values.copy(), np.zeros_like(missing)
    for column in np.flatnonzero(missing.any(axis=0)):
        last = carry_from(missing[:, column], rows.starts)
        too_old = (last < 0) | (rows.time - rows.time[last] > preparation.missing_limit)
        filled[:, column] = np.where(too_old, np.nan, values[last, column])
        stale[:, column] = too_old
    return filled, stale


def carry_from(missing: Bool, starts: Bool) -> Int64:
    """Return the row that each row's value is carried from: (R,), -1 when its entity has none yet.

    >>> carry_from(np.array([True, False, True]), np.array([True, False, False])).tolist()
    [-1, 1, 1]
    """
    rank = np.arange(len(missing))
    last = np.maximum.accumulate(np.where(missing, -1, rank))
    first = np.maximum.accumulate(np.where(starts, rank, 0))
    return np.where(last >= first, last, -1)


def _compress(values: Float64, limit: float) -> Float64:
    """Let values beyond the limit grow logarithmically.

    The network stays in its range, and a stranger value stays stranger.
    """
    size = np.abs(values)
    if not (size > limit).any():
        return values
    return np.where(
        size > limit, np.sign(values) * (limit + np.log1p(np.maximum(size - limit, 0))), values
    )


def _expand(values: Float64, limit: float) -> Float64:
    """Undo `_compress`."""
    size = np.abs(values)
    return np.where(
        size > limit, np.sign(values) * (limit + np.expm1(np.maximum(size - limit, 0))), values
    )


def _calendar(time: Int64, context: Sequence[str]) -> Float64:
    """Return sine and cosine of hour and weekday, in UTC or the table's own clock: (R, K)."""
    columns: list[Float64] = []
    moments = pa.array(time, pa.timestamp("ns")) if context else None
    for name in context:
        if name == "hour":
            turns = pc.add(
                pc.divide(pc.cast(pc.minute(moments), pa.float64()), 60.0), pc.hour(moments)
            )
            turns = pc.divide(turns, 24.0)
        else:
            turns = pc.divide(pc.cast(pc.day_of_week(moments), pa.float64()), 7.0)
        angle = 2 * np.pi * turns.to_numpy(zero_copy_only=False)
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1) if columns else np.empty((len(time), 0))
