"""Scorer = preparation + windows + model + residual statistics; Detector = Scorer + calibration.

A higher score is always stranger. A Detector without a threshold cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from aedetect.window import Matrix, gather

if TYPE_CHECKING:
    from torch import Tensor

    from aedetect.calibrate import Calibration
    from aedetect.heldout import Codes
    from aedetect.ingest import Bool, Int
    from aedetect.models.base import Autoencoder
    from aedetect.prepare import Preparation
    from aedetect.schema import Schema

ScoreName = Literal["mse", "standardized", "elbo"]

# Windows computed at a time. Always so many, the last ones filled up: a matrix product over fewer
# rows may round differently, and a row's score must not depend on its neighbours. Small enough
# for the windows to stay in the processor's cache (benchmarks/scoring.py).
CHUNK = 512
_MIN_RESIDUAL = 0.5  # spreads; a column that is reconstructed better counts as if it were not
_MIN_ROWS = 100  # with fewer, an entity's residuals are not known well enough


@dataclass(frozen=True)
class Evaluated:
    """Rows scored: score (N,), expected (N, D) in model units, errors (N, F)."""

    score: npt.NDArray[np.float32]
    expected: Matrix
    errors: Matrix


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Gives rows a score, and says which feature it comes from."""

    schema: Schema
    preparation: Preparation
    model: Autoencoder
    score: ScoreName
    # (E + 1, D) typical size of each entity's residuals, and of all together's; (1, D) without E
    residual: npt.NDArray[np.float32]

    @property
    def length(self) -> int:
        """Rows in a window."""
        return self.model.sizes.length

    @property
    def lookback(self) -> int:
        """How long before a row the rows may lie that its score depends on, in ns."""
        return (self.length - 1) * self.schema.max_gap + self.preparation.missing_limit

    def reconstruct(self, matrix: Matrix, ends: Int) -> Matrix:
        """Return what is expected in the last row of each window: (R, D + K), (N,) -> (N, D)."""
        model = self.model

        def expected(windows: Tensor) -> Tensor:
            return model.decode_last(model.encode(windows))

        return self._in_chunks(expected, matrix, ends, width=model.sizes.outputs)

    def _in_chunks(
        self, compute: Callable[[Tensor], Tensor], matrix: Matrix, ends: Int, *, width: int
    ) -> Matrix:
        """Compute so many numbers from each window: (R, D + K), (N,) -> (N, width)."""
        import torch

        if torch.get_num_threads() != 1:  # several threads round differently, and gain nothing here
            torch.set_num_threads(1)
        computed = np.empty((len(ends), width), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(ends), CHUNK):
                part = ends[start : start + CHUNK]
                full = part if len(part) == CHUNK else np.resize(part, CHUNK)
                windows = torch.from_numpy(gather(matrix, full, length=self.length))
                computed[start : start + CHUNK] = compute(windows).numpy()[: len(part)]
        return computed

    def errors(self, observed: Matrix, expected: Matrix, seen: Bool, entity: Codes) -> Matrix:
        """Return each feature's part of the score: (N, D), (N, D), (N, D), (N,) -> (N, F).

        A cell that was not observed has no part. A category's columns are added up.
        """
        residual = observed - expected
        if self.score == "standardized":
            residual /= self.residual[entity]
        squared = np.square(residual, out=residual)
        squared *= seen
        return self._by_feature(squared)

    def _by_feature(self, cells: Matrix) -> Matrix:
        """Add up the columns of each feature: (N, D) -> (N, F)."""
        owner = self.preparation.owner
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        if len(first) == len(owner):
            return cells
        return np.asarray(np.add.reduceat(cells, first, axis=1), dtype=np.float32)

    def scores(self, errors: Matrix, seen: Bool) -> npt.NDArray[np.float32]:
        """Return the mean of the errors over the observed features: (N, F), (N, D) -> (N,)."""
        first = np.flatnonzero(np.diff(self.preparation.owner, prepend=-1))
        counted = seen[:, first].sum(axis=1, dtype=np.float32)
        return np.asarray(errors.sum(axis=1) / np.maximum(counted, 1))

    def evaluate(self, matrix: Matrix, observed: Bool, entity: Codes, ends: Int) -> Evaluated:
        """Score the rows at `ends`, each from the window that ends there.

        Shapes: (R, D + K), (R, D), (R,), (N,).
        """
        seen = observed[ends]
        columns = matrix[ends, : seen.shape[1]]
        if self.score == "elbo":
            return self._bound(columns, seen, matrix, ends)
        expected = self.reconstruct(matrix, ends)
        errors = self.errors(columns, expected, seen, entity[ends])
        return Evaluated(self.scores(errors, seen), expected, errors)

    def _bound(self, columns: Matrix, seen: Bool, matrix: Matrix, ends: Int) -> Evaluated:
        """Score by the negative evidence lower bound, its error that of the last row.

        The divergence of the code is the whole window's: it counts, and has no feature to blame.
        """
        from aedetect.models.elbo import draw_last

        count = columns.shape[1]
        compute = partial(draw_last, self.model)
        drawn = self._in_chunks(compute, matrix, ends, width=2 * count + 1)
        expected, variance, divergence = np.split(drawn, [count, 2 * count], axis=1)
        errors = self._by_feature((np.square(columns - expected) + variance) * seen)
        return Evaluated(self.scores(errors, seen) + divergence[:, 0], expected, errors)


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


def residual_sizes(residual: Matrix, seen: Bool, entity: Codes, *, entities: int) -> Matrix:
    """Return the root mean square residual by entity: (N, D), (N, D), (N,) -> (E + 1, D).

    Over the observed cells. Entities with few rows take that of all together, which comes last.
    """
    squared = np.square(residual, dtype=np.float64) * seen
    pooled = _mean_square(squared, seen)
    sizes = np.tile(pooled, (entities + 1, 1))
    for code in np.unique(entity).tolist():
        chosen = entity == code
        if chosen.sum() >= _MIN_ROWS:
            sizes[code] = _mean_square(squared[chosen], seen[chosen])
    return np.asarray(np.maximum(np.sqrt(sizes), _MIN_RESIDUAL), dtype=np.float32)


def _mean_square(squared: npt.NDArray[np.float64], seen: Bool) -> npt.NDArray[np.float64]:
    return np.asarray(squared.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
