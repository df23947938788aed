"""The expected values of rows, averaged with those of a linear autoencoder of longer windows.

The residual of the mean ranks rows better than that of either (docs/internals/detection-log.md):
what the two get wrong differs, and a network that copies or drifts is held by the linear map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector.reconstruction import last_rows
from aedetect.detector.smoothing import around

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Int64
    from aedetect.detector.results import Series
    from aedetect.models.base import Autoencoder


def average_expected(
    expected: Float32, long: Autoencoder, series: Series, rows: Int64, *, length: int
) -> Float32:
    """Average what a network expects of rows with what `long` does, where that has a whole window.

    Shapes: expected (N, D), overwritten; rows (N,); length, the rows of the network's windows. A
    row whose long window reaches into planned work keeps the network's value.
    """
    chosen = np.flatnonzero(ends_whole(series, longer=long.sizes.length, length=length)[rows])
    if len(chosen):
        other = last_rows(long, series.matrix, rows[chosen], masked=series.masked)
        expected[chosen] = (expected[chosen] + other) / 2
    return expected


def ends_whole(series: Series, *, longer: int, length: int) -> Bool:
    """Return which rows end a long window of usable rows beside planned work: (R,).

    `longer` and `length` are the rows of the long windows and of the network's.
    """
    whole = np.asarray(series.back >= longer - 1)
    if series.apart is None:
        return whole
    # `apart` marks rows whose short window touches planned work; the long one begins earlier.
    return np.asarray(whole & ~around(series.apart, before=0, after=longer - length))
