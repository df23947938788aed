"""What the score "ensemble" sees of rows alone: residuals, and distances from a recent mean."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float32, Int64
from aedetect.detector.ensemble import BASELINE_ROWS, RowErrors
from aedetect.detector.long_windows import ends_whole
from aedetect.detector.reconstruction import holed
from aedetect.detector.residuals import by_feature
from aedetect.detector.results import Series
from aedetect.detector.shapes import LENGTHS, ShapeErrors, Shapes
from aedetect.preprocessing.preparation import first_columns

_TILE = 2_048  # rows at a time, which stay in the processor's cache


def errors_of_rows(
    series: Series,
    rows: Int64,
    expected: Float32,
    owner: Int64,
    switches: Bool,
    typical: Shapes | None,
    *,
    length: int,
) -> RowErrors:
    """Return what is seen of some rows: (M,), expected (M, D), owner (D,), switches (F,).

    `length` is that of the network's windows.
    """
    seen, first = series.observed[rows], first_columns(owner)
    residual, deviation = np.empty_like(expected), np.empty_like(expected)
    for start in range(0, len(rows), _TILE):
        part = slice(start, start + _TILE)
        columns = series.matrix[rows[part], : seen.shape[1]]
        np.subtract(columns, expected[part], out=residual[part])
        np.subtract(columns, _baselines(series, rows[part]), out=deviation[part])
        for each in (residual[part], deviation[part]):
            _square(each, seen[part])
    residual, deviation = by_feature(residual, owner), by_feature(deviation, owner)
    used = np.ones(len(rows), dtype=np.bool_) if series.apart is None else ~series.apart[rows]
    observed = seen if len(first) == len(owner) else seen[:, first]
    shapes = _from_shapes(typical, series, rows, owner, length=length)
    return RowErrors(series.tick[rows], residual, deviation, observed, used, switches, shapes)


def _from_shapes(
    typical: Shapes | None, series: Series, rows: Int64, owner: Int64, *, length: int
) -> ShapeErrors:
    """Measure the shapes of windows: not of planned work, nor those with a cell that is masked."""
    distance, nearest = np.zeros((LENGTHS, len(rows))), np.full((LENGTHS, len(rows)), -1)
    for number, bank in enumerate(() if typical is None else typical.banks):
        if bank is None:
            continue
        whole = ends_whole(series, longer=bank.length, length=length)
        if series.masked is not None:
            whole &= ~holed(series.masked, bank.length)
        chosen = np.flatnonzero(whole[rows])
        if len(chosen):
            found = bank.nearest(series.matrix, rows[chosen])
            distance[number, chosen], nearest[number, chosen] = found
    return ShapeErrors(typical, series.matrix, rows, owner, distance, nearest)


def _square(difference: Float32, seen: Bool) -> None:
    """Square in place what was observed: (M, D), (M, D)."""
    np.square(difference, out=difference)
    if not seen.all():
        difference *= seen


def _baselines(series: Series, rows: Int64) -> Float32:
    """Return the mean of each row and the usable rows before it without a gap: (M,) -> (M, D).

    Rows ascend. Sums of 1, 2, 4 ... rows are added in pairs, so that a mean is rounded alike in any
    batch, and that of a constant column is the constant.
    """
    columns = series.observed.shape[1]
    first = max(int(rows[0]) - (BASELINE_ROWS - 1), 0)
    sums = series.matrix[first : int(rows[-1]) + 1, :columns]
    step = 1
    while step < BASELINE_ROWS and step < len(sums):
        sums = sums[step:] + sums[:-step]
        step *= 2
    whole = series.back[rows] >= BASELINE_ROWS - 1
    if whole.all():
        return np.asarray(sums[rows - (first + BASELINE_ROWS - 1)] / BASELINE_ROWS)
    means = np.empty((len(rows), columns), dtype=np.float32)
    means[whole] = sums[rows[whole] - (first + BASELINE_ROWS - 1)] / BASELINE_ROWS
    means[~whole] = _short_means(series, rows[~whole])
    return means


def _short_means(series: Series, rows: Int64) -> Float32:
    """Return the mean of rows and the fewer than 15 usable rows before each: (M,) -> (M, D)."""
    columns = series.observed.shape[1]
    count = np.maximum(series.back[rows], 0) + 1
    total = np.zeros((len(rows), columns))
    for step in range(BASELINE_ROWS - 1):
        some = np.flatnonzero(step < count)
        total[some] += series.matrix[rows[some] - step, :columns]
    return np.asarray(total / count[:, None], dtype=np.float32)
