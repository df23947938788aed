"""What a strange row would look like were it normal, and which features that change blames.

A fault in some features spoils what is expected of the others too, as the network sees them all:
blame by the plain residual is smeared. So the cells of the window that are far from what is
expected are replaced by it, and what is expected is computed anew, some times. The window is
then a normal one plus few changed cells: the robust autoencoder's X = L + S with the weights kept.
Zhou, Paffenroth: Anomaly detection with robust deep autoencoders (2017).

Features that experts blame come first more often than by the plain residual, and more often than
by gradient descent on a sparse bias, as ARCANA does (benchmarks/causes.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32
from aedetect.preprocessing.windows import gather

if TYPE_CHECKING:
    from torch import Tensor

    from aedetect.arrays import Bool, Int32, Int64
    from aedetect.detector import Scorer

_CHUNK = 64  # windows computed at a time, always so many, as in scoring; flagged rows are few
_STEPS = 10  # of replacing cells
_FAR = 4.0  # usual residuals; a cell that is further off is replaced


def find_counterfactual(scorer: Scorer, matrix: Float32, entity: Int32, ends: Int64) -> Float32:
    """Return what is expected in the last row of each window, were the window normal.

    Shapes: (R, D + K), (R,), (N,) -> (N, D), in model units.
    """
    import torch

    torch.set_num_threads(1)  # as in `aedetect.detector.reconstruction`
    expected = np.empty((len(ends), scorer.model.sizes.outputs), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(ends), _CHUNK):
            part = ends[start : start + _CHUNK]
            full = part if len(part) == _CHUNK else np.resize(part, _CHUNK)
            windows = torch.from_numpy(gather(matrix, full, length=scorer.length))
            far = torch.from_numpy(_FAR * scorer.residuals.size[entity[full]])[:, None]
            made = _last_expected(scorer, windows, far)
            expected[start : start + _CHUNK] = made.numpy()[: len(part)]
    return expected


def _last_expected(scorer: Scorer, windows: Tensor, far: Tensor) -> Tensor:
    """Replace what is far off, some times: (N, T, D + K), (N, 1, D) -> (N, D)."""
    import torch

    model, columns = scorer.model, scorer.model.sizes.outputs
    seen, cleaned = windows[:, :, :columns], windows.clone()
    for _ in range(_STEPS):
        expected = model(cleaned)
        strange = (seen - expected).abs() > far
        cleaned[:, :, :columns] = torch.where(strange, expected, seen)
    last: Tensor = model.decode_last(model.encode(cleaned))
    return last


def blame_features(
    scorer: Scorer, matrix: Float32, observed: Bool, expected: Float32, entity: Int32, ends: Int64
) -> Float32:
    """Return what each feature adds: squared residuals over their usual size: (N, F).

    Shapes: (R, D + K), (R, D), (N, D), (R,), (N,). A cell that was not observed adds nothing. A
    category's columns are added up.
    """
    residual = matrix[ends, : expected.shape[1]] - expected
    cells = np.square(residual / scorer.residuals.size[entity[ends]]) * observed[ends]
    first = scorer.preparation.first_columns
    return np.asarray(np.add.reduceat(cells, first, axis=1), dtype=np.float32)
