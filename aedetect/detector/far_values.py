"""Values far beyond the training range: one cell that no mean over columns may hide.

A score averages over columns, a network may copy what it sees, and large values are compressed: a
single cell may be a hundred standard deviations out in a row that ranks as normal. So a cell is
also compared with the training range of its own column. Real columns drift, however, and stay out
there: only the first rows are news, 60 on end at most. The figures that chose the constants are in
docs/benchmarks.md, Column rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.data import Feature, Rows
from aedetect.detector.far_history import FarCells
from aedetect.detector.training_ranges import TrainingRanges
from aedetect.preprocessing.preparation import MIN_ENTITY_ROWS
from aedetect.preprocessing.scaling import ROUNDING

HISTORY = 1_000  # rows before a row that count: those of as many periods
_MARGIN = 5.0  # standard deviations beyond the range
_RISE = 16  # periods before a row that do not count: a ramp reaches its end through them
LASTS = 60  # periods that news lasts, while each row is far
_NEARLY = 0.75  # of its distance beyond the range
_RARE = 1_000  # rows for each that differs, in a column that is constant but for these
_TILE = 2_048  # rows compared with their limits at a time
_CELLS = 20_000  # compared with their history at a time
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, kw_only=True)
class FarValues:
    """The training range of columns. Shapes: E entities, F features.

    low, high and margin (E + 1, F): a value is far when it lies beyond them by more than the
    margin; NaN for columns without a rule. rows (E + 1,) learnt from; history (E + 1,) in ns. The
    last row is of all entities together, and the only one when all are scaled together.
    """

    low: Float64
    high: Float64
    margin: Float64
    rows: Int64
    history: Int64

    @classmethod
    def fit(cls, rows: Rows, features: Sequence[Feature], periods: Int64) -> FarValues:
        """Learn from all normal rows: periods (E + 1,) in ns."""
        found = TrainingRanges.of(rows)
        low, high, margin = _limits(found, features)
        return cls(
            low=low,
            high=high,
            margin=margin,
            rows=found.count,
            history=HISTORY * periods,
        )

    @classmethod
    def none(cls, entities: int, features: int) -> FarValues:
        """Return no rule for any column: E, F."""
        empty = np.full((entities + 1, features), np.nan)
        zeros = np.zeros(entities + 1, dtype=np.int64)
        return cls(low=empty, high=empty, margin=empty, rows=zeros, history=zeros)

    def chosen(self, few: Bool, *, per_entity: bool) -> FarValues:
        """Give entities with few rows (E,) what holds for all; keep that alone otherwise."""
        if not per_entity:
            return FarValues(**{name: array[-1:] for name, array in vars(self).items()})
        source = np.arange(len(self.low))
        source[:-1][few] = len(few)
        taken = {name: array[source] for name, array in vars(self).items()}
        return replace(FarValues(**taken), history=self.history)

    @property
    def lookback(self) -> int:
        """How long before a row the rows may lie that it is compared with, in ns."""
        if np.isnan(self.margin).all():
            return 0
        return int(self.history.max()) // HISTORY * (HISTORY + LASTS)

    def find(self, rows: Rows, entity: Int32) -> Bool:
        """Return which cells are far, and news: entity (R,) as learnt -> (R, F).

        One is no news when enough rows of its history are nearly as far out, unless it follows news
        without a row between that is not far, or the column is just on its way out. So a column
        that has moved is flagged once, for a bounded time, and again when it moves on.
        """
        found = self._beyond(rows, entity)
        if not found.any():
            return found
        column, place = np.nonzero(found.T)
        cells = self._cells(rows, entity, place, column)
        first = cells.runs()
        fresh = place - place[first] < LASTS
        known, leaving = np.empty((2, len(place)), dtype=np.bool_)
        for start in range(0, len(place), _CELLS):
            part = slice(start, start + _CELLS)
            own = cells.take(part)
            known[part], leaving[part] = self._known(rows, entity, own, fresh[part])
        known &= ~(leaving | self._lasting(rows, entity, cells, first, known))
        found[place[known], column[known]] = False
        return found

    def distances(self, values: Float64, entity: Int32, far: Bool) -> Float64:
        """Return how far cells are beyond the range, in standard deviations, 0 where not far.

        Shapes: (N, F), (N,), far (N, F) -> (N, F).
        """
        excess = np.where(far, self._excess(values, entity), 0.0)
        with np.errstate(invalid="ignore"):  # without a rule, nothing is far
            return np.asarray(np.where(far, excess / (self.margin[entity] / _MARGIN), 0.0))

    def p_values(self, p_value: Float64, distance: Float64, entity: Int32) -> Float64:
        """Return the p-values of rows, smaller where cells are far: (N,), (N, F), (N,) -> (N,).

        Distances are those that `distances` returns. None of the n rows learnt from is that far
        out, so a p-value is at most 1 / (n + 1); beyond the margin the tail is exponential, with
        the standard deviation as its scale.
        """
        most = distance.max(axis=1)
        with np.errstate(under="ignore"):
            share = np.exp(np.minimum(_MARGIN - most, 0.0))
        least = np.maximum(share / (self.rows[entity] + 1.0), _TINY)
        return np.where(most > 0, np.minimum(p_value, least), p_value)

    def described(self) -> dict[str, Any]:
        """Return the ranges as JSON takes them: null for NaN."""
        cells = {
            name: [[None if np.isnan(cell) else cell for cell in row] for row in array.tolist()]
            for name, array in vars(self).items()
            if array.ndim > 1
        }
        return cells | {"rows": self.rows.tolist(), "history": self.history.tolist()}

    @classmethod
    def restored(cls, described: dict[str, Any]) -> FarValues:
        """Return the ranges that `described` gave."""
        low, high, margin = (
            np.array(described[name], dtype=np.float64) for name in ("low", "high", "margin")
        )
        rows, history = (np.array(described[name], dtype=np.int64) for name in ("rows", "history"))
        return cls(low=low, high=high, margin=margin, rows=rows, history=history)

    def _beyond(self, rows: Rows, entity: Int32) -> Bool:
        """Return which cells lie beyond the range by more than the margin: (R,) -> (R, F)."""
        found = np.empty(rows.values.shape, dtype=np.bool_)
        if not len(rows):
            return found
        starts = rows.starts
        code, group = entity[starts], np.cumsum(starts) - 1
        with np.errstate(over="ignore"):
            upper = self.high[code] + self.margin[code]
            lower = self.low[code] - self.margin[code]
        for start in range(0, len(rows), _TILE):  # whose limits stay in the processor's cache
            part = slice(start, start + _TILE)
            values, own = rows.values[part], group[part]
            np.greater(values, upper.take(own, axis=0), out=found[part])
            found[part] |= values < lower.take(own, axis=0)
        return found

    def _excess(self, values: Float64, entity: Int32) -> Float64:
        """Return how far cells lie beyond the range; not above 0 inside: (R, F) -> (R, F)."""
        with np.errstate(invalid="ignore", over="ignore"):  # infinite values are not scored
            return np.asarray(np.maximum(values - self.high[entity], self.low[entity] - values))

    def _cells(self, rows: Rows, entity: Int32, place: Int64, column: Int64) -> FarCells:
        """Return far cells with what they are compared by: rows (M,), columns (M,)."""
        begin = np.maximum.accumulate(np.where(rows.starts, np.arange(len(rows)), 0))
        high, low = self.high[entity[place], column], self.low[entity[place], column]
        above = rows.values[place, column] > high
        edge = np.where(above, high, low)
        return FarCells(place, column, begin[place], np.where(above, 1.0, -1.0), edge)

    def _known(self, rows: Rows, entity: Int32, cells: FarCells, fresh: Bool) -> tuple[Bool, Bool]:
        """Return which far cells are no news, and of these which are on their way out: (M,) each.

        On its way out is a cell of a column that was inside of its range within the last periods,
        and nearly as far out too seldom before that. Only fresh cells (M,) can be.
        """
        code, time = entity[cells.place], rows.time[cells.place]
        excess = cells.excess(rows, cells.place[:, None])[:, 0]
        margin = self.margin[code, cells.column]
        needed = np.minimum(_NEARLY * excess, excess - margin)
        varies = self.high[code, cells.column] > self.low[code, cells.column]
        needed = np.where(varies, needed, np.maximum(needed, margin / 2))
        earliest, period = time - self.history[code], self.history[code] // HISTORY
        latest = time - period * _RISE
        known = cells.often(rows, needed, earliest=earliest, latest=latest, most=HISTORY)
        leaving = known & fresh & (self.rows[code] >= HISTORY)
        some = np.flatnonzero(leaving)
        inside = cells.take(some).last_inside(rows, most=LASTS)
        recent = (inside >= 0) & (time[some] - rows.time[inside] <= (period * LASTS)[some])
        leaving[some[~recent]] = False
        some, inside = some[recent], inside[recent]
        leaving[some] = ~cells.take(some).often(
            rows, needed[some], earliest=earliest[some], latest=rows.time[inside], most=HISTORY
        )
        return known, leaving

    def _lasting(
        self, rows: Rows, entity: Int32, cells: FarCells, first: Int64, known: Bool
    ) -> Bool:
        """Return which far cells follow news in their run: all of them, first of each run (M,)."""
        place, number = cells.place, np.arange(len(cells.place))
        last = np.maximum.accumulate(np.where(known, -1, number))
        since = rows.time[place] - rows.time[place[np.maximum(last, 0)]]
        lasts = self.history[entity[place]] // HISTORY * LASTS
        return np.asarray((last >= first) & (since <= lasts))


def _limits(found: TrainingRanges, features: Sequence[Feature]) -> tuple[Float64, Float64, Float64]:
    """Return low, high and margin of each entity, and last of all together: (E + 1, F) each.

    Among so many rows, one short stretch that alone differs from a value may be the fault itself,
    and its value is no normal one.
    """
    size = np.maximum(np.abs(found.low), np.abs(found.high))
    count = found.count[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        varies = (found.high - found.low > ROUNDING * size) & (count >= MIN_ENTITY_ROWS)
    rare = (found.stretches == 1) & (found.odd * _RARE <= count)
    low, high = np.where(rare, found.usual, found.low), np.where(rare, found.usual, found.high)
    margin = np.where(varies & np.isfinite(found.spread), _MARGIN * found.spread, np.nan)
    texts = [feature.is_text for feature in features]
    for each in (low, high, margin):
        each[:, texts] = np.nan
    return low, high, margin
