"""The normal counterpart of an anomalous row, and the features that differ from it.

A fault in some features also distorts the expected values of the others, because the network
encodes all of them: the plain residual spreads the blame. Therefore the cells of the window that
are far from their expected value are replaced by it, and the expected values are computed again,
for several iterations. The window is then a normal one plus a few changed cells: X = L + S of the
robust autoencoder, with fixed weights. Zhou, Paffenroth: Anomaly detection with robust deep
autoencoders (2017).

Features that experts blame rank first more often than with the plain residual, and more often than
with gradient descent on a sparse bias, as in ARCANA (benchmarks/causes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32
from aedetect.detector.own_values import changes_of
from aedetect.models.threads import one_thread
from aedetect.preprocessing.windows import gather

if TYPE_CHECKING:
    from torch import Tensor

    from aedetect.arrays import Bool, Int32, Int64
    from aedetect.detector import Scorer, Series

_CHUNK = 64  # windows per batch, a fixed size as in scoring; flagged rows are few
_STEPS = 10  # iterations of replacing cells
_FAR = 4.0  # in usual residuals; a cell with a larger residual is replaced


def find_counterfactual(scorer: Scorer, matrix: Float32, entity: Int32, ends: Int64) -> Float32:
    """Return the expected last row of each window, were the window normal.

    Shapes: (R, D + K), (R,), (N,) -> (N, D), in model units.
    """
    import torch

    expected = np.empty((len(ends), scorer.model.sizes.outputs), dtype=np.float32)
    with one_thread(), torch.inference_mode():  # as in `aedetect.detector.reconstruction`
        for start in range(0, len(ends), _CHUNK):
            part = ends[start : start + _CHUNK]
            full = part if len(part) == _CHUNK else np.resize(part, _CHUNK)
            windows = torch.from_numpy(gather(matrix, full, length=scorer.length))
            far = torch.from_numpy(_FAR * scorer.residuals.size[entity[full]])[:, None]
            made = _last_expected(scorer, windows, far)
            expected[start : start + _CHUNK] = made.numpy()[: len(part)]
    return expected


def _last_expected(scorer: Scorer, windows: Tensor, far: Tensor) -> Tensor:
    """Replace cells with large residuals iteratively: (N, T, D + K), (N, 1, D) -> (N, D)."""
    import torch

    model, columns = scorer.model, scorer.model.sizes.outputs
    seen, cleaned = windows[:, :, :columns], windows.clone()
    for _ in range(_STEPS):
        expected = model(cleaned)
        outlying = (seen - expected).abs() > far
        cleaned[:, :, :columns] = torch.where(outlying, expected, seen)
    last: Tensor = model.decode_last(model.encode(cleaned))
    return last


def weigh_causes(
    scorer: Scorer, series: Series, rows: Int64, blamed: Float32
) -> tuple[Float32, Bool]:
    """Weigh the blame of features by their own values; which are unusual in themselves: (N, F).

    Three squares are combined: the residual in usual sizes, blamed (N, F); the distance from the
    column's center in units of scale; and the change from the mean of the window in usual sizes. A
    feature that is unusual in one way counts, and one that is in all of them counts most. How they
    are combined was chosen by the features that experts blame (docs/benchmarks.md, Causes).
    """
    first, columns = scorer.preparation.first_columns, len(scorer.preparation.owner)
    values, seen = series.matrix[rows, :columns], series.observed[rows]
    changes = changes_of(series.matrix, series.back, rows, columns=columns, length=scorer.length)
    change = changes / scorer.own.change[series.entity[rows]]
    texts = [feature.is_text for feature in scorer.preparation.features]
    level = np.where(texts, 0, np.square(values[:, first]))  # a category has no distance
    moved = np.add.reduceat(np.square(change), first, axis=1)
    weighed = (1 + blamed) * (1 + level) * (1 + moved) - 1
    alone = scorer.own.unusual(values, changes, series.entity[rows])
    alone = np.logical_or.reduceat(alone & seen, first, axis=1)
    return np.asarray(weighed * seen[:, first], dtype=np.float32), alone


def blame_features(
    scorer: Scorer, matrix: Float32, observed: Bool, expected: Float32, entity: Int32, ends: Int64
) -> Float32:
    """Return the contribution of each feature, its squared residual over the usual size: (N, F).

    Shapes: (R, D + K), (R, D), (N, D), (R,), (N,). An unobserved cell contributes 0. The columns of
    a category are summed.
    """
    residual = matrix[ends, : expected.shape[1]] - expected
    cells = np.square(residual / scorer.residuals.size[entity[ends]]) * observed[ends]
    first = scorer.preparation.first_columns
    return np.asarray(np.add.reduceat(cells, first, axis=1), dtype=np.float32)
