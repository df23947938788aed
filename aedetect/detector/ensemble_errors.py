"""What the score "ensemble" sees of rows alone: residuals, and distances from a recent mean."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float32, Int64
from aedetect.detector.ensemble import BASELINE_ROWS, RowErrors
from aedetect.detector.long_windows import ends_whole
from aedetect.detector.residuals import by_feature
from aedetect.detector.results import Series
from aedetect.detector.shapes import LENGTHS, ShapeErrors, Shapes
from aedetect.detector.smoothing import around
from aedetect.detector.trailing import as_sum, running_sums
from aedetect.preprocessing.preparation import first_columns

_BLOCK = 16  # columns whose sums are held at a time


def errors_of_rows(
    series: Series,
    rows: Int64,
    expected: Float32,
    owner: Int64,
    *,
    switches: Bool,
    typical: Shapes | None,
) -> RowErrors:
    """Return what is seen of some rows: (M,), expected (M, D), owner (D,), switches (F,)."""
    seen, first = series.observed[rows], first_columns(owner)
    columns = series.matrix[rows, : seen.shape[1]]
    residual = by_feature(_squares(columns - expected, seen), owner)
    deviation = by_feature(_squares(columns - _baselines(series, rows), seen), owner)
    used = np.ones(len(rows), dtype=np.bool_) if series.apart is None else ~series.apart[rows]
    observed = seen if len(first) == len(owner) else seen[:, first]
    shapes = _from_shapes(typical, series, rows, owner)
    return RowErrors(series.tick[rows], residual, deviation, observed, used, switches, shapes)


def _from_shapes(typical: Shapes | None, series: Series, rows: Int64, owner: Int64) -> ShapeErrors:
    """Measure the shapes of windows: not of planned work, nor those with a cell that is masked."""
    distance, nearest = np.zeros((LENGTHS, len(rows))), np.full((LENGTHS, len(rows)), -1)
    banks = () if typical is None else typical.banks
    shortest = min((bank.length for bank in banks if bank is not None), default=0)
    hidden = None if series.masked is None else np.asarray(series.masked.any(axis=1))
    for number, bank in enumerate(banks):
        if bank is None:
            continue
        whole = ends_whole(series, longer=bank.length, length=shortest)
        if hidden is not None:
            whole &= ~around(hidden, before=0, after=bank.length - 1)
        chosen = np.flatnonzero(whole[rows])
        if len(chosen):
            found = bank.nearest(series.matrix, rows[chosen])
            distance[number, chosen], nearest[number, chosen] = found
    return ShapeErrors(typical, series.matrix, rows, owner, distance, nearest)


def _squares(difference: Float32, seen: Bool) -> Float32:
    """Square in place what was observed: (M, D), (M, D) -> (M, D)."""
    np.square(difference, out=difference)
    if not seen.all():
        difference *= seen
    return difference


def _baselines(series: Series, rows: Int64) -> Float32:
    """Return the mean of each row and the usable rows before it without a gap: (M,) -> (M, D)."""
    columns = series.observed.shape[1]
    before = np.minimum(series.back[rows], BASELINE_ROWS - 1)
    count = (before + 1.0)[:, None]
    means = np.empty((len(rows), columns), dtype=np.float32)
    for start in range(0, columns, _BLOCK):
        block = slice(start, min(start + _BLOCK, columns))
        total = running_sums(series.matrix[:, block])
        sums = np.take(total, rows + 1, axis=0)
        sums -= np.take(total, rows - before, axis=0)
        means[:, block] = as_sum(sums) / count
    return means
