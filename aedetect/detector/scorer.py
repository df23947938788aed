"""Scorer = preparation + windows + model + residual statistics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32, count_in_row
from aedetect.detector.corrections import Corrections
from aedetect.detector.ensemble import RowErrors, needed_rows
from aedetect.detector.ensemble_errors import errors_of_rows
from aedetect.detector.ensemble_parts import EnsembleParts
from aedetect.detector.long_windows import average_expected, joint_map
from aedetect.detector.reach import Reach
from aedetect.detector.reconstruction import covering, from_windows, last_rows
from aedetect.detector.residuals import by_feature
from aedetect.detector.results import Evaluated, Series
from aedetect.detector.score_functions import PARTS, combined
from aedetect.detector.shapes import Shapes
from aedetect.detector.smoothing import around, smoothed

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int32, Int64
    from aedetect.calibration.settings import AlignmentName, ScoreName
    from aedetect.data import Schema
    from aedetect.detector.own_values import OwnValues
    from aedetect.detector.residuals import Residuals
    from aedetect.detector.rules import ColumnRules
    from aedetect.models.base import Autoencoder
    from aedetect.models.last_row import LastRowMap
    from aedetect.preprocessing import Preparation


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Compute the score of rows, and each feature's part of it."""

    schema: Schema
    preparation: Preparation
    model: Autoencoder
    score: ScoreName
    residuals: Residuals
    rules: ColumnRules  # what flags a row whatever its score
    own: OwnValues  # what each column does by itself, for the causes
    top_k: int = 5  # parts that score = "top_k" averages
    alignment: AlignmentName = "causal"
    smooth: int = 1  # rows that a score is averaged over
    # of longer windows, whose expected values are averaged with the model's; for "ensemble"
    long: Autoencoder | None = None
    corrections: Corrections | None = None  # of what both expect, by entity; for "ensemble"
    shapes: Shapes | None = None  # of both kinds of windows; for "ensemble"

    @property
    def length(self) -> int:
        """Rows in a window."""
        return self.model.sizes.length

    @property
    def _around(self) -> Reach:
        return Reach(
            schema=self.schema,
            preparation=self.preparation,
            rules=self.rules,
            score=self.score,
            alignment=self.alignment,
            smooth=self.smooth,
            length=self.length,
            longer=None if self.long is None else self.long.sizes.length,
        )

    @property
    def reach(self) -> tuple[int, int]:
        """How many rows before and after a row its score depends on at most; see `Reach`."""
        return self._around.rows

    @property
    def lookback(self) -> int:
        """Time before a row in which rows may affect its verdict, in ns."""
        return self._around.lookback

    @property
    def lookahead(self) -> int:
        """Time after a row in which rows may affect its score, in ns."""
        return self._around.lookahead

    @property
    def _beside(self) -> Autoencoder | None:
        """The network of long windows, for the score that uses it."""
        return self.long if self.combines else None

    @cached_property
    def _joint(self) -> LastRowMap | None:
        """What both networks expect in the mean, as one map; None where they are not linear."""
        return None if self._beside is None else joint_map(self.model, self._beside)

    @property
    def combines(self) -> bool:
        """Whether more than the network says what is expected."""
        return self._around.combines

    def counted(self, seen: Bool) -> Int64:
        """Return how many features were observed: (N, D) -> (N,)."""
        first = self.preparation.first_columns
        return count_in_row(seen if len(first) == seen.shape[1] else seen[:, first])

    def covered(self, back: Int64) -> Bool:
        """Return which rows have the window that scoring needs: (R,), as in `Series` -> (R,)."""
        full = back >= self.length - 1
        return around(full, before=self.length - 1, after=0) if self.lookahead else full

    def can_score(self, series: Series) -> Bool:
        """Return which rows get a score: (R,)."""
        enough = self.counted(series.observed) >= self.preparation.min_observed
        return np.asarray(self.covered(series.back) & series.valid & enough)

    def judge(self, series: Series, asked: Bool) -> tuple[Int64, Evaluated]:
        """Score the requested rows (R,) that have a window; return their indices (N,) and scores.

        The scores that calibrate a threshold and those compared with it are both computed here.
        """
        if self.score == "ensemble":
            return self._judge_ensemble(series, asked)
        can = self.can_score(series)
        wanted = np.flatnonzero(can & asked)
        if self.smooth == 1:
            return wanted, self._evaluated(series, wanted)
        offsets = self._around.offsets
        near = around(can & asked, before=-offsets.start, after=offsets.stop - 1)
        rows = np.flatnonzero(can & near)
        alone = self._evaluated(series, rows)
        mean = partial(smoothed, rows=rows, wanted=wanted, back=series.back, offsets=offsets)
        expected = alone.expected[np.searchsorted(rows, wanted)]
        return wanted, Evaluated(mean(alone.score), expected, mean(alone.errors))

    def expect(self, series: Series, rows: Int64) -> Float32:
        """Return the expected values of rows, by alignment: (N,) ascending -> (N, D)."""
        if self.alignment == "causal":
            return self._combined(series, rows)
        asked = np.zeros(len(series.back), dtype=np.bool_)
        asked[rows] = True
        near = around(asked, before=0, after=self.length - 1)
        ends = np.flatnonzero(near & (series.back >= self.length - 1))
        return covering(self.model, series.matrix, rows, ends)[0]

    def _combined(self, series: Series, rows: Int64) -> Float32:
        """Return what is expected, with long windows and corrections where the score uses them."""
        if self._beside is None:
            expected = last_rows(self.model, series.matrix, rows, masked=series.masked)
        else:
            expected = average_expected(self.model, self._beside, self._joint, series, rows)
        if self.corrections is not None and self.combines:
            self.corrections.apply(expected, series.entity[rows])
        return expected

    def evaluate(
        self,
        matrix: Float32,
        observed: Bool,
        entity: Int32,
        ends: Int64,
        *,
        masked: Bool | None = None,
    ) -> Evaluated:
        """Score the rows at `ends`, each only from the window that ends there, not smoothed.

        Shapes: (R, D + K), (R, D), (R,), (N,), (R, D) as in `Series`.
        """
        seen = observed[ends]
        columns = matrix[ends, : seen.shape[1]]
        if self.score == "elbo":
            return self._bound(columns, seen, matrix, ends)
        expected = last_rows(self.model, matrix, ends, masked=masked)
        return self._compared(columns, expected, seen, entity[ends])

    def observe(
        self, series: Series, rows: Int64, expected: Float32 | None = None
    ) -> tuple[Float32, RowErrors]:
        """Return what is expected of rows, unless it is known, and what is seen of each alone.

        Shapes: (M,) -> (M, D), (M,).
        """
        expected = self.expect(series, rows) if expected is None else expected
        known = (self.preparation.owner, self.residuals.switches > 0, self.shapes)
        return expected, errors_of_rows(series, rows, expected, *known, length=self.length)

    def _judge_ensemble(self, series: Series, asked: Bool) -> tuple[Int64, Evaluated]:
        """Score the requested rows by the rows before them too, see `ensemble`."""
        can = self.can_score(series)
        wanted = np.flatnonzero(can & asked)
        rows = needed_rows(series.tick, can, wanted)
        expected, errors = self.observe(series, rows)
        at, typical = np.searchsorted(rows, wanted), self.residuals.typical[series.entity[rows]]
        parts = EnsembleParts.of(errors, at, typical)
        return wanted, Evaluated(parts.score(), expected, errors.residual, parts)

    def _evaluated(self, series: Series, rows: Int64) -> Evaluated:
        """Score rows by alignment, not smoothed."""
        if self.alignment == "causal":
            cells = (series.matrix, series.observed, series.entity)
            return self.evaluate(*cells, rows, masked=series.masked)
        seen = series.observed[rows]
        columns = series.matrix[rows, : seen.shape[1]]
        return self._compared(columns, self.expect(series, rows), seen, series.entity[rows])

    def _compared(
        self, observed: Float32, expected: Float32, seen: Bool, entity: Int32
    ) -> Evaluated:
        """Score observed against expected values."""
        owner = self.preparation.owner
        errors = PARTS[self.score](observed - expected, seen, entity, self.residuals, owner)
        return Evaluated(self.score_of(errors, seen), expected, errors)

    def score_of(self, errors: Float32, seen: Bool) -> Float32:
        """Return the score of rows alone from their errors: (N, F), (N, D) -> (N,)."""
        return combined(self.score, errors, self.counted(seen), top_k=self.top_k)

    def _bound(self, columns: Float32, seen: Bool, matrix: Float32, ends: Int64) -> Evaluated:
        """Score by the negative evidence lower bound, with the error of the last row.

        The divergence of the latent vector is that of the whole window: it is part of the score,
        but of no feature.
        """
        from aedetect.models.elbo import draw_last

        count = columns.shape[1]
        compute = partial(draw_last, self.model)
        width = 2 * count + 1
        drawn = from_windows(compute, matrix, ends, length=self.length, width=width)
        expected, variance, divergence = np.split(drawn, [count, 2 * count], axis=1)
        cells = (np.square(columns - expected) + variance) * seen
        errors = by_feature(cells, self.preparation.owner)
        return Evaluated(self.score_of(errors, seen) + divergence[:, 0], expected, errors)
