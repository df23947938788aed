"""Scorer = preparation + windows + model + residual statistics; Detector = Scorer + calibration.

A higher score is always stranger. A Detector without a threshold cannot exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from aedetect.reconstruct import covering, from_windows, last_rows
from aedetect.residuals import by_feature
from aedetect.scores import PARTS, combined
from aedetect.smooth import around, smoothed
from aedetect.window import Matrix

if TYPE_CHECKING:
    from aedetect.calibrate import Calibration
    from aedetect.heldout import Codes
    from aedetect.ingest import Bool, Int
    from aedetect.models.base import Autoencoder
    from aedetect.prepare import Preparation
    from aedetect.residuals import Residuals
    from aedetect.schema import Schema
    from aedetect.scores import AlignmentName, ScoreName


@dataclass(frozen=True)
class Evaluated:
    """Rows scored: score (N,), expected (N, D) in model units, errors (N, F)."""

    score: npt.NDArray[np.float32]
    expected: Matrix
    errors: Matrix


@dataclass(frozen=True)
class Series:
    """Prepared rows in order, and what is known of them.

    Shapes: matrix (R, D + K), observed (R, D), entity (R,); back (R,) usable rows directly before
    each, -1 for unusable rows; valid (R,) False where a row must not be scored though it may lie
    in a window.
    """

    matrix: Matrix
    observed: Bool
    entity: Codes
    back: Int
    valid: Bool


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Gives rows a score, and says which feature it comes from."""

    schema: Schema
    preparation: Preparation
    model: Autoencoder
    score: ScoreName
    residuals: Residuals
    worst: int = 5  # parts that score = "worst" averages
    alignment: AlignmentName = "causal"
    smooth: int = 1  # rows that a score is averaged over

    @property
    def length(self) -> int:
        """Rows in a window."""
        return self.model.sizes.length

    @property
    def lookback(self) -> int:
        """How long before a row the rows may lie that its score depends on, in ns."""
        rows = self.length - 1 - self._offsets.start
        return rows * self.schema.max_gap + self.preparation.missing_limit

    @property
    def lookahead(self) -> int:
        """How long after a row the rows may lie that its score depends on, in ns."""
        rows = self.length - 1 + self._offsets.stop - 1 if self.alignment == "centered" else 0
        return rows * self.schema.max_gap

    @property
    def _offsets(self) -> range:
        """Which rows about a row its score is averaged over, itself being 0."""
        after = (self.smooth - 1) // 2 if self.alignment == "centered" else 0
        return range(after - self.smooth + 1, after + 1)

    def counted(self, seen: Bool) -> Int:
        """Return how many features were observed: (N, D) -> (N,)."""
        first = np.flatnonzero(np.diff(self.preparation.owner, prepend=-1))
        return np.asarray(seen[:, first].sum(axis=1))

    def covered(self, back: Int) -> Bool:
        """Say which rows have a window to be judged from: (R,), as in `Series` -> (R,)."""
        full = back >= self.length - 1
        return around(full, before=self.length - 1, after=0) if self.lookahead else full

    def judge(self, series: Series, asked: Bool) -> tuple[Int, Evaluated]:
        """Score the rows asked for (R,), as far as they can be: which they are (N,), and how.

        What a threshold is calibrated on and what it is compared with both come from here.
        """
        enough = self.counted(series.observed) >= self.preparation.min_observed
        can = self.covered(series.back) & series.valid & enough
        wanted = np.flatnonzero(can & asked)
        if self.smooth == 1:
            return wanted, self._evaluated(series, wanted)
        offsets = self._offsets
        near = around(can & asked, before=-offsets.start, after=offsets.stop - 1)
        rows = np.flatnonzero(can & near)
        alone = self._evaluated(series, rows)
        mean = partial(smoothed, rows=rows, wanted=wanted, back=series.back, offsets=offsets)
        expected = alone.expected[np.searchsorted(rows, wanted)]
        return wanted, Evaluated(mean(alone.score), expected, mean(alone.errors))

    def expect(self, series: Series, rows: Int) -> Matrix:
        """Return what is expected of rows, as aligned: (N,) ascending -> (N, D)."""
        if self.alignment == "causal":
            return last_rows(self.model, series.matrix, rows)
        asked = np.zeros(len(series.back), dtype=np.bool_)
        asked[rows] = True
        near = around(asked, before=0, after=self.length - 1)
        ends = np.flatnonzero(near & (series.back >= self.length - 1))
        return covering(self.model, series.matrix, rows, ends)[0]

    def evaluate(self, matrix: Matrix, observed: Bool, entity: Codes, ends: Int) -> Evaluated:
        """Score the rows at `ends`, each from the window that ends there alone, not smoothed.

        Shapes: (R, D + K), (R, D), (R,), (N,).
        """
        seen = observed[ends]
        columns = matrix[ends, : seen.shape[1]]
        if self.score == "elbo":
            return self._bound(columns, seen, matrix, ends)
        expected = last_rows(self.model, matrix, ends)
        return self._compared(columns, expected, seen, entity[ends])

    def _evaluated(self, series: Series, rows: Int) -> Evaluated:
        """Score rows as aligned, not smoothed."""
        if self.alignment == "causal":
            return self.evaluate(series.matrix, series.observed, series.entity, rows)
        seen = series.observed[rows]
        columns = series.matrix[rows, : seen.shape[1]]
        return self._compared(columns, self.expect(series, rows), seen, series.entity[rows])

    def _compared(self, observed: Matrix, expected: Matrix, seen: Bool, entity: Codes) -> Evaluated:
        """Score what was observed against what was expected."""
        owner = self.preparation.owner
        errors = PARTS[self.score](observed - expected, seen, entity, self.residuals, owner)
        return Evaluated(self.score_of(errors, seen), expected, errors)

    def score_of(self, errors: Matrix, seen: Bool) -> npt.NDArray[np.float32]:
        """Return the score that rows' errors make up: (N, F), (N, D) -> (N,)."""
        return combined(self.score, errors, self.counted(seen), worst=self.worst)

    def _bound(self, columns: Matrix, seen: Bool, matrix: Matrix, ends: Int) -> Evaluated:
        """Score by the negative evidence lower bound, its error that of the last row.

        The divergence of the code is the whole window's: it counts, and has no feature to blame.
        """
        from aedetect.models.elbo import draw_last

        count = columns.shape[1]
        compute = partial(draw_last, self.model)
        drawn = from_windows(self.model, compute, matrix, ends, width=2 * count + 1)
        expected, variance, divergence = np.split(drawn, [count, 2 * count], axis=1)
        cells = (np.square(columns - expected) + variance) * seen
        errors = by_feature(cells, self.preparation.owner)
        return Evaluated(self.score_of(errors, seen) + divergence[:, 0], expected, errors)


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A Scorer with the threshold that its held-out scores support."""

    scorer: Scorer
    calibration: Calibration
    config_hash: str

    def save(self, folder: Path) -> None:
        """Write the detector into a folder; see `aedetect.saved`."""
        from aedetect.saved import save

        save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Detector:
        """Read a detector from a folder; see `aedetect.saved`."""
        from aedetect.saved import load

        return load(folder)
