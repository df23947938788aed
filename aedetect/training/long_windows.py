"""The linear autoencoder of long windows that stands beside the network, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.models.settings import ModelSettings
from aedetect.models.sizing import derive_sizes
from aedetect.preprocessing import Windows
from aedetect.training.principal import principal_directions

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.models.base import Autoencoder

MOST_CELLS = 4_096  # of a window: the covariance takes 8 bytes for each pair
_MOST_WINDOWS = 50_000  # evenly spaced


def fit_long(learn: Windows, back: Int64, *, length: int, columns: int) -> Autoencoder | None:
    """Fit a linear autoencoder to windows of `length` rows that end where those learnt from do.

    `back` (R,) counts the rows directly before each. Returns None for windows of more cells than
    MOST_CELLS, or with fewer windows than cells: a subspace would fit these and not what is normal.
    """
    from aedetect.models.variants import make_network

    inputs = learn.matrix.shape[1]
    cells, ends = length * columns, ends_learnt(learn, back, length=length)
    windows = Windows(learn.matrix, learn.observed, ends, length).thin(_MOST_WINDOWS)
    if cells > MOST_CELLS or len(windows) < cells:
        return None
    settings = ModelSettings(variant="linear")
    sizes = derive_sizes(settings, length=length, inputs=inputs, outputs=columns)
    model = make_network(settings, sizes)
    count = min(sizes.latent, sizes.cells)
    model.solve(*principal_directions(windows, columns=columns, count=count))
    return model.eval()


def ends_learnt(learn: Windows, back: Int64, *, length: int) -> Int64:
    """Return the ends of windows learnt from that end windows of another length as well: (N,).

    No such window has a row that is in none of those learnt from, as suspect rows are.
    """
    ends = learn.ends[back[learn.ends] >= length - 1]
    return np.asarray(ends[_learnt_before(learn, ends) >= length])


def _learnt_before(learn: Windows, ends: Int64) -> Int64:
    """Return how many rows up to some ends are in windows learnt from, without a break: (N,)."""
    rows = len(learn.matrix)
    opened = np.bincount(learn.ends - (learn.length - 1), minlength=rows + 1)
    closed = np.bincount(learn.ends + 1, minlength=rows + 1)
    covered = np.cumsum(opened - closed)[:rows] > 0
    breaks = np.maximum.accumulate(np.where(covered, -1, np.arange(rows)))
    return np.asarray(ends - breaks[ends])
