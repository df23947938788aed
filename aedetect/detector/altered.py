"""Scores of copies of a series in which few cells are altered: what these reach is computed again.

A row's score depends on windows that end at it and at rows before it. Of a copy, only rows that a
window joins with an altered cell are seen anew, of many copies together; all else is as it was.
The scores are those that `Scorer.judge` gives for the whole copy, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Int64
from aedetect.detector.ensemble import BASELINE_ROWS
from aedetect.detector.ensemble_parts import EnsembleParts
from aedetect.detector.results import Evaluated, Series
from aedetect.detector.smoothing import around

if TYPE_CHECKING:
    from aedetect.detector.ensemble import RowErrors
    from aedetect.detector.scorer import Scorer

# The columns (R, D) of a series with some cells altered, and the rows (R,) that have any.
AlteredCells = tuple[Float32, Bool]
_MOST_CELLS = 4_000_000  # of rows that are seen anew together, 16 MiB


@dataclass(frozen=True)
class ScoredSeries:
    """A series as it is, with the scores of the rows (N,) that were asked for."""

    scorer: Scorer
    series: Series
    asked: Bool
    rows: Int64
    judged: Evaluated

    @classmethod
    def of(cls, scorer: Scorer, series: Series, asked: Bool) -> ScoredSeries:
        """Score the requested rows (R,) of a series."""
        return cls(scorer, series, asked, *scorer.judge(series, asked))

    def scores(self, weights: Sequence[float]) -> list[Float32]:
        """Return the scores of the rows with each weight of the shapes: (N,) each."""
        return scores_by_weight(self.judged, weights)

    def scores_of(
        self, copies: Iterable[AlteredCells], weights: Sequence[float]
    ) -> Iterator[tuple[Bool, list[Float32]]]:
        """Yield the altered rows (R,) of each copy, in order, and the same scores of it."""
        parts = self.judged.parts
        if parts is None or not self._is_plain:
            for cells, changed in copies:
                whole = replace(self.series, matrix=self._matrix(cells, slice(None)))
                judged = self.scorer.judge(whole, self.asked)[1]
                yield changed, scores_by_weight(judged, weights)
            return
        for together in _grouped(self._seen_anew(each, parts) for each in copies):
            found = self._observed(together, parts.errors)
            for copy, errors in zip(together, found, strict=True):
                altered = self._parts(errors, parts)
                yield copy.changed, [altered.score(weight) for weight in weights]

    @property
    def _is_plain(self) -> bool:
        """Whether windows alone tell what an altered cell reaches."""
        series = self.series
        return self.scorer.combines and series.masked is None and series.apart is None

    @property
    def _depth(self) -> int:
        """How many rows the longest window has."""
        long = self.scorer.long
        longer = 0 if long is None else long.sizes.length
        return max(self.scorer.length, longer, BASELINE_ROWS)

    def _matrix(self, cells: Float32, rows: slice | Int64) -> Float32:
        """Return some rows of a copy with their context: (N, D + K)."""
        context = self.series.matrix[rows, cells.shape[1] :]
        return np.concatenate([cells[rows], context], axis=1)

    def _seen_anew(self, copy: AlteredCells, parts: EnsembleParts) -> _SeenAnew:
        """Take the rows of a copy whose windows are altered, and the rows of these windows."""
        cells, changed = copy
        needed, series = parts.errors.shapes.rows, self.series
        reached = around(changed, before=0, after=self._depth - 1)
        place = np.flatnonzero(reached[needed])
        marks = np.zeros(len(changed), dtype=np.bool_)
        marks[needed[place]] = True
        near = np.flatnonzero(around(marks, before=self._depth - 1, after=0))
        part = replace(
            series,
            matrix=self._matrix(cells, near),
            observed=series.observed[near],
            entity=series.entity[near],
            back=series.back[near],
            valid=series.valid[near],
            tick=series.tick[near],
        )
        return _SeenAnew(changed, place, part, np.searchsorted(near, needed[place]))

    def _observed(self, together: Sequence[_SeenAnew], before: RowErrors) -> Iterator[RowErrors]:
        """Yield what is seen of each copy: what it was, and anew where windows are altered."""
        first = np.cumsum([0, *(len(each.series.back) for each in together)])
        rows = np.concatenate(
            [each.rows + start for each, start in zip(together, first[:-1], strict=True)]
        )
        if not len(rows):
            yield from (before for _ in together)
            return
        _, found = self.scorer.observe(_joined([each.series for each in together]), rows)
        done = 0
        for each in together:
            own = np.arange(done, done + len(each.rows))
            done += len(own)
            yield before.replaced(each.place, found.take(own))

    def _parts(self, errors: RowErrors, before: EnsembleParts) -> EnsembleParts:
        rows = before.errors.shapes.rows
        typical = self.scorer.residuals.typical[self.series.entity[rows]]
        return EnsembleParts.of(errors, before.at, typical)


@dataclass(frozen=True)
class _SeenAnew:
    """Rows of a copy to see anew, beside those that are altered (R,).

    place (K,) is where they are among the rows that scores depend on, and rows (K,) where they are
    in a part of the copy that holds their windows.
    """

    changed: Bool
    place: Int64
    series: Series
    rows: Int64


def scores_by_weight(judged: Evaluated, weights: Sequence[float]) -> list[Float32]:
    """Return the scores with each weight of the shapes; only an ensemble has any."""
    if judged.parts is None:
        return [judged.score] * len(weights)
    return [judged.parts.score(weight) for weight in weights]


def _grouped(parts: Iterable[_SeenAnew]) -> Iterator[list[_SeenAnew]]:
    """Yield parts together, of a bounded number of cells."""
    held: list[_SeenAnew] = []
    for each in parts:
        held.append(each)
        if sum(one.series.matrix.size for one in held) >= _MOST_CELLS:
            yield held
            held = []
    if held:
        yield held


def _joined(parts: Sequence[Series]) -> Series:
    """Return parts of series one after the other; no window that is asked for spans two."""
    return Series(
        matrix=np.concatenate([each.matrix for each in parts]),
        observed=np.concatenate([each.observed for each in parts]),
        entity=np.concatenate([each.entity for each in parts]),
        back=np.concatenate([each.back for each in parts]),
        valid=np.concatenate([each.valid for each in parts]),
        tick=np.concatenate([each.tick for each in parts]),
    )
