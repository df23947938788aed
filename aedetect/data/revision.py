"""Ordered training rows -> rows without fill values, counters as their increase, no row numbers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data.counters import Counting, take_increases
from aedetect.data.fill_values import FillValue, find_fill_values
from aedetect.data.growth import Growth, find_growth
from aedetect.data.memmap import batches_of, map_values
from aedetect.data.missing_values import mark_missing
from aedetect.data.schema import suggest_nearest
from aedetect.errors import SchemaMismatch
from aedetect.wording import plural

if TYPE_CHECKING:
    from aedetect.data.rates import Rate
    from aedetect.data.rows import Rows
    from aedetect.data.schema import Feature
    from aedetect.data.settings import DataSettings


@dataclass(frozen=True, kw_only=True)
class Revised:
    """Rows as they are learnt from, their features, and what was found in the columns."""

    rows: Rows
    features: tuple[Feature, ...]
    fill_values: tuple[FillValue, ...] = ()
    row_numbers: tuple[tuple[str, float], ...] = ()  # left out, and the step they grow by

    @property
    def counters(self) -> tuple[str, ...]:
        """The features of which the increase is learnt."""
        return tuple(feature.name for feature in self.features if feature.counter)


def revise_rows(
    rows: Rows,
    features: Sequence[Feature],
    *,
    settings: DataSettings,
    pooled: Rate,
    rates: tuple[Rate, ...] = (),
    folder: Path,
) -> Revised:
    """Find fill values and columns that only grow, and take them as configured.

    Rows are written to the folder again when anything was found.
    """
    numbers = [i for i, feature in enumerate(features) if feature.kind == "number"]
    names = [feature.name for feature in features]
    fills = () if settings.fill_values == "keep" else find_fill_values(rows, names, numbers)
    features = [_with_fills(feature, fills) for feature in features]
    if fills:
        rows = map_values(rows, _without(rows, features), folder / "filled.f8", len(features))
    growing = _growing(rows, features, numbers, settings)
    left_out = {
        column: growth.step
        for column, growth in growing.items()
        if growth.is_row_number and names[column] not in {*settings.features, *_listed(settings)}
    }
    kept = [column for column in range(len(features)) if column not in left_out]
    _check_some_left(kept, names)
    features = [replace(features[c], counter=c in growing) for c in kept]
    if growing:
        columns = tuple(kept.index(c) for c in growing if c in kept)
        counting = Counting(columns, pooled.period, pooled.max_gap, rates)
        taken = take_increases(_columns(rows, kept), counting)
        rows = map_values(rows, taken, folder / "taken.f8", len(kept))
    return Revised(
        rows=rows,
        features=tuple(_ranged(features, rows)) if fills or growing else tuple(features),
        fill_values=fills,
        row_numbers=tuple((names[column], step) for column, step in left_out.items()),
    )


def column_notes(revised: Revised) -> Iterator[str]:
    """Yield what was found in the columns, what is done about it, and how to overrule it."""
    for fill in revised.fill_values:
        yield (
            f'column "{fill.column}" holds {fill.value:.6g} in {plural(fill.cells, "row")} '
            f"({100 * fill.share:.2g} % of them), far off all else: taken as missing, in scoring "
            'too ([data] fill_values = "keep" takes it as a value)'
        )
    for name in revised.counters:
        yield (
            f'column "{name}" only grows: its increase from row to row is learnt '
            '([data] counters = "keep" takes its level)'
        )
    for name, step in revised.row_numbers:
        yield (
            f'column "{name}" grows by {step:.6g} in nearly every row, as a row number or a clock '
            f'does: left out ([data] counters = ["{name}"] learns its increase)'
        )


def _growing(
    rows: Rows, features: Sequence[Feature], numbers: Sequence[int], settings: DataSettings
) -> dict[int, Growth]:
    """Return the counters: those that are listed, or those that only grow."""
    if settings.counters == "auto":
        return find_growth(rows, numbers)
    names = [feature.name for feature in features]
    chosen: dict[int, Growth] = {}
    for pattern in _listed(settings):
        matching = [i for i in numbers if fnmatch.fnmatchcase(names[i], pattern)]
        if pattern in names:
            matching = [i for i in numbers if names[i] == pattern]
        if not matching:
            raise SchemaMismatch(
                f'[data] counters names "{pattern}", which is no feature that holds numbers'
                f"{suggest_nearest(pattern, names)}; there are {', '.join(names)}"
            )
        chosen |= {i: Growth() for i in matching}
    return chosen


def _listed(settings: DataSettings) -> tuple[str, ...]:
    return () if isinstance(settings.counters, str) else settings.counters


def _with_fills(feature: Feature, fills: Sequence[FillValue]) -> Feature:
    """Add the fill values of a column to the numbers that stand for a missing value in it."""
    own = tuple(fill.value for fill in fills if fill.column == feature.name)
    return replace(feature, missing=(*feature.missing, *own))


def _without(rows: Rows, features: Sequence[Feature]) -> Iterator[Rows]:
    """Yield the rows with missing cells in the place of fill values."""
    for batch in batches_of(rows):
        values = np.array(batch.values)
        for column, feature in enumerate(features):
            if feature.missing:
                values[mark_missing(values[:, column], feature.missing), column] = np.nan
        yield replace(batch, values=values)


def _columns(rows: Rows, kept: Sequence[int]) -> Iterator[Rows]:
    for batch in batches_of(rows):
        yield replace(batch, values=np.asarray(batch.values)[:, list(kept)])


def _ranged(features: Sequence[Feature], rows: Rows) -> Iterator[Feature]:
    """Yield the features with the range of their values in the rows."""
    low, high = np.full((2, len(features)), np.nan)
    for batch in batches_of(rows):
        finite = np.where(np.isfinite(batch.values), batch.values, np.nan)
        low = np.fmin(low, np.fmin.reduce(finite, axis=0))
        high = np.fmax(high, np.fmax.reduce(finite, axis=0))
    for column, feature in enumerate(features):
        has_range = feature.low is not None and not np.isnan(low[column])
        ends = (float(low[column]), float(high[column])) if has_range else (None, None)
        yield replace(feature, low=ends[0], high=ends[1])


def _check_some_left(kept: Sequence[int], names: Sequence[str]) -> None:
    if not kept:
        raise SchemaMismatch(
            f"no column can be a feature: {', '.join(names)} grow by the same in every row, as a "
            "row number does; to learn from one, name it in [data] features"
        )
