"""The expected values of rows, averaged with those of a linear autoencoder of longer windows.

The residual of the mean ranks rows better than that of either (docs/internals/detection-log.md):
what the two get wrong differs, and a network that copies or drifts is held by the linear map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector.reconstruction import from_windows, holed, last_rows
from aedetect.detector.smoothing import around
from aedetect.models.threads import one_thread

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Int64
    from aedetect.detector.results import Series
    from aedetect.models.base import Autoencoder
    from aedetect.models.last_row import LastRowMap


def joint_map(model: Autoencoder, long: Autoencoder) -> LastRowMap | None:
    """Return one map to the mean of what both expect; None where one of them is not linear."""
    short, longer = model.last_row_map, long.last_row_map
    if short is None or longer is None:
        return None
    with one_thread():
        return short.averaged(longer).cheapest()


def average_expected(
    model: Autoencoder, long: Autoencoder, both: LastRowMap | None, series: Series, rows: Int64
) -> Float32:
    """Average what a network expects of rows with what `long` does, where that has a whole window.

    Shapes: rows (N,) -> (N, D). `both` is their `joint_map`. A row whose long window reaches into
    planned work has the network's value.
    """
    whole = ends_whole(series, longer=long.sizes.length, length=model.sizes.length)[rows]
    if both is None:
        return _one_by_one(model, long, series, rows, whole)
    # Masked cells are filled by each for itself.
    together = whole
    if series.masked is not None:
        together = whole & ~holed(series.masked, long.sizes.length)[rows]
    columns, length = model.sizes.outputs, long.sizes.length
    if together.all():
        return from_windows(both, series.matrix, rows, length=length, width=columns)
    expected = np.empty((len(rows), columns), dtype=np.float32)
    found = from_windows(both, series.matrix, rows[together], length=length, width=columns)
    expected[together], rest = found, ~together
    expected[rest] = _one_by_one(model, long, series, rows[rest], whole[rest])
    return expected


def _one_by_one(
    model: Autoencoder, long: Autoencoder, series: Series, rows: Int64, whole: Bool
) -> Float32:
    """Average two results, where a row has a `whole` long window (N,)."""
    expected = last_rows(model, series.matrix, rows, masked=series.masked)
    chosen = np.flatnonzero(whole)
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
