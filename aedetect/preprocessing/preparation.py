"""Transform rows to model inputs and back: filling, encoding, scaling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int8, Int32, Int64, count_in_row
from aedetect.data import Feature, Rows, Schema
from aedetect.data.memmap import pick_rows
from aedetect.data.rates import Rate, spread
from aedetect.preprocessing.compression import compress, expand
from aedetect.preprocessing.encoding import encode_calendar, encode_categories, encoded_widths
from aedetect.preprocessing.filling import carry_values
from aedetect.preprocessing.scaling import Scaling
from aedetect.preprocessing.settings import MissingAfterName, MissingName, PrepareSettings
from aedetect.preprocessing.split import Part
from aedetect.wall_clock import WallClock

_UTC = WallClock()
_TILE = 2_048  # rows scaled at a time, which stay in the processor's cache
STATISTICS_ROWS = 2_000_000  # rows in total, evenly spaced, used to estimate typical values
STATISTICS_CELLS = 2**24  # of these rows: fewer rows of a wide table, so that memory is bounded
MIN_ENTITY_ROWS = 30  # entities with fewer training rows take the typical values of all entities


@dataclass(frozen=True)
class Prepared:
    """Rows as the model sees them.

    Shapes: matrix (R, D + K) with the K context columns last; observed (R, D), False where a cell
    was filled in; entity (R,) row of the scaling, -1 when unseen; infinite and stale (R, F) mark
    the features that prevent scoring; usable (R,) marks the rows that can be in a window.
    """

    matrix: Float32
    observed: Bool
    entity: Int32
    infinite: Bool
    stale: Bool
    usable: Bool


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """The preparation of rows: learned by `fit`, with `transform` and `inverse_transform`.

    Shapes: E entities, F features, D columns of the model.
    """

    features: tuple[Feature, ...]
    context: tuple[Literal["hour", "weekday"], ...]
    entities: tuple[str | None, ...]  # of the training rows; empty when all are scaled together
    scaling: Scaling
    clip: float
    missing: MissingName
    missing_limit: int  # ns
    missing_after: MissingAfterName = "mask"  # for rows that are scored; none is learnt from
    min_observed: int = 1  # features that a row needs to be scored
    rates: tuple[Rate, ...] = ()  # of entities with another missing_limit
    clock: WallClock = _UTC  # of hours and weekdays

    @classmethod
    def fit(
        cls,
        rows: Rows,
        parts: Int8,
        *,
        schema: Schema,
        settings: PrepareSettings,
        missing_limit: int,
    ) -> Preparation:
        """Learn typical values from the rows of the learning part only."""
        first = np.flatnonzero(rows.starts)
        learnt = np.add.reduceat((parts == Part.LEARN).astype(np.int64), first)
        slices = [slice(start, start + count) for start, count in zip(first, learnt, strict=True)]
        chosen, ends = _sampled(slices, _most_sampled(len(slices), len(schema.features)))
        sample = pick_rows(rows.values, chosen)
        pooled = encode_categories(sample, schema.features)
        samples = np.split(pooled, ends[:-1])
        # Of one entity alone, the rows of all entities together are the same.
        few = MIN_ENTITY_ROWS if len(samples) > 1 else len(pooled) + 1
        own = [each if len(each) >= few else None for each in samples]
        samples_of = [*own, pooled] if settings.per_entity else [pooled]
        texts = [feature.is_text for feature in schema.features]
        flat = np.repeat(texts, encoded_widths(schema.features))
        return cls(
            features=schema.features,
            context=schema.context,
            entities=rows.names if settings.per_entity else (),
            scaling=Scaling.fit(samples_of, scaler=settings.scaler, flat=flat),
            clip=settings.clip,
            missing=settings.missing,
            missing_limit=missing_limit,
            rates=schema.rates,
            clock=schema.clock,
            missing_after=settings.missing_after,
            min_observed=_min_observed(settings.min_observed, sample),
        )

    @cached_property
    def owner(self) -> Int64:
        """(D,) the feature of each column: one column for a number, several for a category."""
        return np.repeat(np.arange(len(self.features)), encoded_widths(self.features))

    @cached_property
    def first_columns(self) -> Int64:
        """(F,) the first column of each feature; the only one of a number."""
        return first_columns(self.owner)

    @property
    def width(self) -> int:
        """Input columns of the model: those of the features, and two for each context."""
        return len(self.owner) + 2 * len(self.context)

    @property
    def longest_limit(self) -> int:
        """The longest time that a value of any entity is filled forward (ns)."""
        return max([self.missing_limit, *(each.missing_limit for each in self.rates)])

    def limits(self, names: Sequence[str | None]) -> Int64:
        """Return how long values of some entities are filled forward, in ns: (E,)."""
        return spread(self.rates, names, "missing_limit", default=self.missing_limit)

    @property
    def masks(self) -> bool:
        """Whether a row is scored without a column that is missing for too long."""
        return self.missing == "forward_fill" and self.missing_after == "mask"

    def transform(self, rows: Rows, *, unseen: bool = False, mask: bool = False) -> Prepared:
        """Fill, encode and scale rows; see `Prepared` for the result.

        With `unseen`, rows of unseen entities are usable too, scaled by the typical values of all
        entities together. With `mask`, rows of which features are
        missing for too long are usable when enough others are left.
        """
        infinite, missing = _not_finite(rows.values)
        values = np.where(infinite, np.nan, rows.values) if infinite.any() else rows.values
        filled, stale = (
            (values, missing) if not missing.any() else self._fill(rows, values, missing)
        )
        entity = self.entity_codes(rows)
        # -1, for an unseen entity, selects the last row of the scaling: that of all together.
        allowed = stale.shape[1] - self.min_observed if mask and self.masks else 0
        columns = missing if len(self.owner) == missing.shape[1] else missing[:, self.owner]
        return Prepared(
            matrix=self._matrix(rows, filled, entity),
            observed=~columns,
            entity=entity,
            infinite=infinite,
            stale=stale,
            usable=((entity >= 0) | unseen) & (count_in_row(stale) <= allowed),
        )

    def _matrix(self, rows: Rows, filled: Float64, entity: Int32) -> Float32:
        """Return the inputs of the model: filled (R, F), entity (R,) -> (R, D + K)."""
        matrix = np.empty((len(rows), self.width), dtype=np.float32)
        outputs = len(self.owner)
        tile = _TILE if self.scaling.quantiles is None else max(len(rows), 1)
        spreads = any(feature.is_text for feature in self.features)
        for start in range(0, len(rows), tile):
            part = slice(start, start + tile)
            encoded = encode_categories(filled[part], self.features) if spreads else filled[part]
            with np.errstate(over="ignore"):  # `compress` takes infinite values
                scaled = self.scaling.transform(encoded, entity[part])
            unknown = np.isnan(scaled)
            if unknown.any():
                scaled[unknown] = 0.0
            matrix[part, :outputs] = compress(scaled, self.clip)
        matrix[:, outputs:] = encode_calendar(rows.time, self.context, self.clock)
        return matrix

    def inverse_transform(self, scaled: Float64, entity: Int32) -> Float64:
        """Return model values to original units: (R, D), (R,) -> (R, D)."""
        return self.scaling.inverse_transform(expand(scaled, self.clip), entity)

    def entity_codes(self, rows: Rows) -> Int32:
        """Return each row's training entity: (R,), 0 for all when scaled together, -1 unseen."""
        if not self.entities:
            return np.zeros(len(rows), dtype=np.int32)
        lookup = np.full(len(rows.names), -1, dtype=np.int32)
        for code in np.unique(rows.entity[rows.starts]).tolist():  # a batch has few of the names
            lookup[code] = self._codes.get(rows.names[code], -1)
        return lookup[rows.entity]

    @cached_property
    def _codes(self) -> dict[str | None, int]:
        return {name: code for code, name in enumerate(self.entities)}

    def _fill(self, rows: Rows, values: Float64, missing: Bool) -> tuple[Float64, Bool]:
        """Fill missing cells as configured; also return which were not: (R, F), (R, F)."""
        if self.missing == "typical":
            return values, np.zeros_like(missing)
        if self.missing == "refuse":
            return values, missing
        limit = self.limits(rows.names)[rows.entity]
        return carry_values(values, missing, time=rows.time, starts=rows.starts, limit=limit)


def _not_finite(values: Float64) -> tuple[Bool, Bool]:
    """Return which cells are infinite, and which are missing or infinite: (R, F) twice."""
    finite = np.isfinite(values)
    if finite.all():
        return np.zeros_like(finite), np.zeros_like(finite)
    return np.isinf(values), ~finite


def first_columns(owner: Int64) -> Int64:
    """Return the first column of each feature: owner (D,) as in `Preparation` -> (F,).

    >>> first_columns(np.array([0, 1, 1, 2])).tolist()
    [0, 1, 3]
    """
    return np.flatnonzero(np.diff(owner, prepend=-1))


def _thin(piece: slice, most: int) -> range:
    """Return at most `most` rows of a slice, evenly spaced."""
    step = max(1, -(-(piece.stop - piece.start) // most))
    return range(piece.start, piece.stop, step)


def _most_sampled(entities: int, features: int) -> int:
    """Return how many rows of each entity are sampled; enough of them for a scaling of its own."""
    rows = min(STATISTICS_ROWS, STATISTICS_CELLS // features)
    fewest = min(STATISTICS_ROWS // entities, MIN_ENTITY_ROWS)
    return max(rows // entities, fewest) + 1


def _sampled(slices: Sequence[slice], most: int) -> tuple[Int64, Int64]:
    """Return evenly spaced rows of each slice, and where those of each end."""
    listed = [np.array(_thin(piece, most), dtype=np.int64) for piece in slices]
    return np.concatenate(listed), np.cumsum([len(each) for each in listed])


def _min_observed(share: float | None, sample: Float64) -> int:
    """Return how many features a row needs to be scored.

    By default half of those observed in the median training row, because sensors that report in
    turn leave most cells of every row empty.
    """
    if share is not None:
        columns = int(sample.shape[1])
        return max(math.ceil(round(share * columns, 9)), 1)  # 0.1 x 30 is a little more than 3
    return max(math.ceil(float(np.median((~np.isnan(sample)).sum(axis=1))) / 2), 1)
