"""Rows scored by the score "ensemble": which rows it needs, and what is seen of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Int64
from aedetect.detector.ensemble import (
    BASELINE_ROWS,
    RowErrors,
    ensemble_score,
    logarithms,
    member_values,
    needed_rows,
    restlessness,
)
from aedetect.detector.ensemble_parts import EnsembleParts
from aedetect.detector.residuals import by_feature
from aedetect.detector.results import Evaluated, Series
from aedetect.detector.trailing import as_sum, running_sums

if TYPE_CHECKING:
    from aedetect.detector.scorer import Scorer

_BLOCK = 16  # columns whose sums are held at a time


def judge_ensemble(scorer: Scorer, series: Series, asked: Bool) -> tuple[Int64, Evaluated]:
    """Score the requested rows (R,) that have a window; return their indices (N,) and scores."""
    can = scorer.can_score(series)
    wanted = np.flatnonzero(can & asked)
    rows = needed_rows(series.tick, can, wanted)
    expected, errors = observe_errors(scorer, series, rows)
    at, typical = np.searchsorted(rows, wanted), scorer.residuals.typical[series.entity[rows]]
    values, level = member_values(errors, at), restlessness(errors, typical, at)
    parts = EnsembleParts(errors, at, typical[at], values, level)
    score = ensemble_score(logarithms(values, typical[at]), level).astype(np.float32)
    alone = errors.residual[at]
    return wanted, Evaluated(score, expected[at], alone, parts)


def observe_errors(scorer: Scorer, series: Series, rows: Int64) -> tuple[Float32, RowErrors]:
    """Return what is expected of rows, and what is seen of each alone: (M,) -> (M, D), errors."""
    owner, first = scorer.preparation.owner, scorer.preparation.first_columns
    seen = series.observed[rows]
    columns = series.matrix[rows, : seen.shape[1]]
    expected = scorer.expect(series, rows)
    residual = by_feature(_squares(columns - expected, seen), owner)
    deviation = by_feature(_squares(columns - _baselines(series, rows), seen), owner)
    used = np.ones(len(rows), dtype=np.bool_)
    if series.apart is not None:
        used = ~series.apart[rows]
    observed = seen if len(first) == len(owner) else seen[:, first]
    errors = RowErrors(
        series.tick[rows], residual, deviation, observed, used, scorer.residuals.switches > 0
    )
    return expected, errors


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
