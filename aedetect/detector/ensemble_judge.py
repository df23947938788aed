"""Rows scored by the score "ensemble": which rows it needs, and what is seen of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Float32, Int64
from aedetect.detector.ensemble import (
    BASELINE_ROWS,
    Moments,
    joined,
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
    expected, moments = observe_moments(scorer, series, rows)
    at, learnt = np.searchsorted(rows, wanted), scorer.residuals
    switches, typical = learnt.switches > 0, learnt.typical[series.entity[rows]]
    values = member_values(moments, switches, at)
    level = restlessness(moments, switches, typical, at)
    parts = EnsembleParts(moments, switches, at, typical[at], values, level)
    score = joined(logarithms(values, typical[at]), level).astype(np.float32)
    alone = moments.residual[at]
    return wanted, Evaluated(score, expected[at], alone, parts)


def observe_moments(scorer: Scorer, series: Series, rows: Int64) -> tuple[Float32, Moments]:
    """Return what is expected of rows, and what is seen of each alone: (M,) -> (M, D), moments."""
    owner, first = scorer.preparation.owner, scorer.preparation.first_columns
    seen = series.observed[rows]
    columns = series.matrix[rows, : seen.shape[1]]
    expected = scorer.expect(series, rows)
    residual = by_feature(np.square(columns - expected) * seen, owner)
    deviation = by_feature(np.square(columns - _baselines(series, rows)) * seen, owner)
    used = np.ones(len(rows), dtype=np.bool_)
    if series.apart is not None:
        used = ~series.apart[rows]
    moments = Moments(series.tick[rows], residual, deviation, seen[:, first], used)
    return expected, moments


def _baselines(series: Series, rows: Int64) -> Float32:
    """Return the mean of each row and the usable rows before it without a gap: (M,) -> (M, D)."""
    columns = series.observed.shape[1]
    before = np.minimum(series.back[rows], BASELINE_ROWS - 1)
    means = np.empty((len(rows), columns), dtype=np.float32)
    for start in range(0, columns, _BLOCK):
        block = slice(start, min(start + _BLOCK, columns))
        total = running_sums(np.nan_to_num(series.matrix[:, block]))
        sums = as_sum(total[rows + 1] - total[rows - before])
        means[:, block] = sums / (before + 1)[:, None]
    return means
