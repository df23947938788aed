"""Scorer = preparation + windows + model + residual statistics; Detector = Scorer + calibration.

A higher score is always stranger. A Detector without a threshold cannot exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from aedetect.window import Matrix, gather

if TYPE_CHECKING:
    from aedetect.calibrate import Calibration
    from aedetect.ingest import Bool, Int
    from aedetect.models.base import Autoencoder
    from aedetect.prepare import Preparation
    from aedetect.schema import Schema

ScoreName = Literal["mse", "standardized"]

# Windows computed at a time. Always so many, the last ones filled up: a matrix product over fewer
# rows may round differently, and a row's score must not depend on its neighbours. Small enough
# for the windows to stay in the processor's cache (benchmarks/scoring.py).
CHUNK = 512
_MIN_RESIDUAL = 0.05  # spreads; a column that is reconstructed better counts as if it were not


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Gives rows a score, and says which feature it comes from."""

    schema: Schema
    preparation: Preparation
    model: Autoencoder
    score: ScoreName
    residual: npt.NDArray[np.float32]  # (D,) typical size of the residual on rows not learnt from

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
        import torch

        if torch.get_num_threads() != 1:  # several threads round differently, and gain nothing here
            torch.set_num_threads(1)
        expected = np.empty((len(ends), self.model.sizes.outputs), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(ends), CHUNK):
                part = ends[start : start + CHUNK]
                full = part if len(part) == CHUNK else np.resize(part, CHUNK)
                windows = torch.from_numpy(gather(matrix, full, length=self.length))
                code = self.model.encode(windows)
                expected[start : start + CHUNK] = self.model.decode_last(code).numpy()[: len(part)]
        return expected

    def errors(self, observed: Matrix, expected: Matrix, seen: Bool) -> Matrix:
        """Return each feature's part of the score: (N, D), (N, D), (N, D) -> (N, F).

        A cell that was not observed has no part. A category's columns are added up.
        """
        residual = observed - expected
        if self.score == "standardized":
            residual /= self.residual
        squared = np.square(residual, out=residual)
        squared *= seen
        owner = self.preparation.owner
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        if len(first) == len(owner):
            return np.asarray(squared)
        return np.asarray(np.add.reduceat(squared, first, axis=1), dtype=np.float32)

    def scores(self, errors: Matrix, seen: Bool) -> npt.NDArray[np.float32]:
        """Return the mean of the errors over the observed features: (N, F), (N, D) -> (N,)."""
        first = np.flatnonzero(np.diff(self.preparation.owner, prepend=-1))
        counted = seen[:, first].sum(axis=1, dtype=np.float32)
        return np.asarray(errors.sum(axis=1) / np.maximum(counted, 1))

    def score_ends(self, matrix: Matrix, observed: Bool, ends: Int) -> npt.NDArray[np.float32]:
        """Return the score of the rows at `ends`, each from the window that ends there: (N,)."""
        expected = self.reconstruct(matrix, ends)
        seen = observed[ends]
        errors = self.errors(matrix[ends, : expected.shape[1]], expected, seen)
        return self.scores(errors, seen)


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


def residual_size(observed: Matrix, expected: Matrix, seen: Bool) -> npt.NDArray[np.float32]:
    """Return the root mean square of the residual of each column over its observed cells: (D,)."""
    squared = np.square(observed - expected, dtype=np.float64) * seen
    size = np.sqrt(squared.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))
    return np.asarray(np.maximum(size, _MIN_RESIDUAL), dtype=np.float32)
