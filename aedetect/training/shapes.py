"""Typical shapes of windows: the principal subspace of training windows, and centres in it.

A shape is a window less the mean of each column. The subspace is found by the randomized method of
Halko, Martinsson, Tropp: Finding structure with randomness (2011), the centres by k-means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32
from aedetect.preprocessing import Windows
from aedetect.preprocessing.windows import gather
from aedetect.training.long_windows import MOST_CELLS, ends_learnt

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int64

_CENTRES = 200
_DIMENSIONS = 32
_SHORTEST = 4  # rows of a window that has a shape
_FEWEST = 200  # windows
_A_CENTRE = 10  # windows for each centre at least
_MOST_WINDOWS = 20_000
_MOST_NUMBERS = 20_000_000  # of all windows: they are held in memory
_ROUNDS = 20  # of k-means


def fit_shapes(
    learn: Windows, back: Int64, *, length: int, used: Bool
) -> tuple[Float32, Float32] | None:
    """Return the basis (Q, T, D + K) and the centres (C, Q) of windows of T = `length` rows.

    Shapes: back (R,) rows directly before each; used (D + K,) which columns count. Returns None
    where windows are too short, too few, or of more cells than MOST_CELLS.
    """
    columns = np.flatnonzero(used)
    cells = length * len(columns)
    if length < _SHORTEST or not 0 < cells <= MOST_CELLS:
        return None
    ends = ends_learnt(learn, back, length=length)
    if len(ends) < _FEWEST:
        return None
    most = min(_MOST_WINDOWS, _MOST_NUMBERS // cells)
    random = np.random.default_rng(0)
    drawn = np.sort(random.choice(ends, min(most, len(ends)), replace=False))
    shapes = _shapes(learn, drawn, length=length, columns=columns)
    directions = _subspace(shapes, most=cells - len(columns))
    centres = _centres(shapes @ directions.T, count=min(_CENTRES, len(drawn) // _A_CENTRE))
    basis = np.zeros((len(directions), length, learn.matrix.shape[1]), dtype=np.float32)
    basis[:, :, columns] = directions.reshape(len(directions), length, len(columns))
    return basis, centres


def _shapes(learn: Windows, ends: Int64, *, length: int, columns: Int64) -> Float32:
    """Return the shapes of windows, flat: (N,) -> (N, T C)."""
    windows = gather(np.ascontiguousarray(learn.matrix[:, columns]), ends, length=length)
    windows -= windows.mean(axis=1, keepdims=True)
    return windows.reshape(len(ends), -1)


def _subspace(shapes: Float32, *, most: int) -> Float32:
    """Return orthonormal directions of most energy: (N, L) -> (Q, L).

    Each column of a shape adds up to 0, and so does that of any direction with energy.
    """
    from sklearn.utils.extmath import randomized_svd

    count = min(_DIMENSIONS, most, len(shapes))
    _, sizes, directions = randomized_svd(shapes, count, n_iter=4, random_state=0)
    kept = sizes > sizes.max(initial=0) * 1e-5
    return np.asarray(directions[kept], dtype=np.float32)


def _centres(codes: Float32, *, count: int) -> Float32:
    """Return the centres of k-means: (N, Q) -> (C, Q)."""
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=1, max_iter=_ROUNDS, random_state=0).fit(codes)
    return np.asarray(found.cluster_centers_, dtype=np.float32)
