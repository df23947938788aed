"""Detector + rows -> verdicts and causes. Pure: no file, no clock, no state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32, Float64, Int8, Int32, any_in_row
from aedetect.data.counters import without_reading_before
from aedetect.detector import Scored, Series
from aedetect.detector.rules import CONSTANT, FAR, MISSING, NONE, lost, rule_reasons
from aedetect.detector.ticks import ticks_of
from aedetect.explain import blame_features, find_counterfactual, weigh_causes
from aedetect.explain.causes import blame_rules
from aedetect.preprocessing import Prepared, positions
from aedetect.scoring.planned_work import RowWindows, in_planned_work, touches_planned_work
from aedetect.scoring.reasons import nameless, unscored_reasons
from aedetect.scoring.suppression import JudgedRows, SuppressedRows, Suppression, suppress_rows

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int64
    from aedetect.data import Rows
    from aedetect.detector import CalibratedScorer, Evaluated, Scorer

_QUIET_BY_DEFAULT = Suppression()


def score_rows(
    detector: CalibratedScorer,
    rows: Rows,
    wanted: Bool,
    suppression: Suppression = _QUIET_BY_DEFAULT,
) -> Scored:
    """Score the wanted rows (R,); the others are context. The result has only the wanted rows.

    Of rows with equal entity and time, the first is scored. Suppressed rows keep their score.
    """
    again = rows.duplicates
    kept, asked = (rows.take(~again), wanted[~again]) if again.any() else (rows, wanted)
    pooled = detector.calibration.unseen == "pooled"
    prepared = detector.scorer.preparation.transform(kept, unseen=pooled, mask=True)
    series = _series(detector, kept, prepared, suppression)
    reasons, reason = unscored_reasons(detector, kept, prepared, series.back)
    ends, evaluated = detector.scorer.judge(series, asked)
    # From here on, positions refer to all rows again, and then to the wanted ones only.
    place = np.flatnonzero(~again)
    score_all = np.full(len(rows), np.nan, dtype=np.float32)
    score_all[place[ends]] = evaluated.score
    reason_all = np.full(len(rows), len(reasons) - 1, dtype=np.int32)
    reason_all[place] = reason
    own, scorer = prepared.entity[ends], detector.scorer
    judged = JudgedRows(
        windows=RowWindows(kept, series.back, ends, *scorer.reach),
        evaluated=evaluated,
        prepared=prepared,
        threshold=detector.calibration.thresholds(own),
        broken=_broken(detector, kept, prepared, series, suppression)[ends],
    )
    suppressed = suppress_rows(suppression, scorer, judged)
    anomalous = judged.anomalous & (suppressed.reason < 0)
    distance = _distances(scorer, judged, own, anomalous)
    reason_all[place[ends]] = _second_reasons(
        suppressed, judged, anomalous, distance, offset=len(reasons)
    )
    expected, blame, alone = _explained(scorer, series, ends, evaluated, anomalous)
    broken = judged.broken[anomalous]
    rank = np.cumsum(wanted) - 1
    p_value = np.full(len(rows), np.nan)
    p_value[place[ends]] = _p_values(detector, judged, own, anomalous, distance)
    return Scored(
        score=score_all[wanted],
        p_value=p_value[wanted],
        reason=reason_all[wanted],
        reasons=reasons + suppressed.reasons + rule_reasons(scorer.schema.features),
        flagged=rank[place[ends[anomalous]]],
        errors=evaluated.contributions(anomalous),
        blamed=blame_rules(blame, broken, distance, alone=alone),
        expected=expected,
        alone=alone | (broken > NONE),
        entity=own[anomalous],
        constant=np.where(broken == CONSTANT, scorer.rules.constant[own[anomalous]], np.nan),
    )


def _series(
    detector: CalibratedScorer, rows: Rows, prepared: Prepared, suppression: Suppression
) -> Series:
    """Return prepared rows as the scorer takes them."""
    scorer = detector.scorer
    series = Series(
        matrix=prepared.matrix,
        observed=prepared.observed,
        entity=prepared.entity,
        back=_rows_back(detector, rows, prepared),
        valid=np.logical_not(any_in_row(prepared.infinite)),
        tick=ticks_of(rows, scorer.schema),
        masked=prepared.stale[:, scorer.preparation.owner] if prepared.stale.any() else None,
    )
    if not suppression.intervals:
        return series
    # Means of later rows leave planned work out.
    windows = RowWindows(rows, series.back, np.arange(0), *scorer.reach)
    return replace(series, apart=touches_planned_work(suppression.intervals, windows))


def _broken(
    detector: CalibratedScorer,
    rows: Rows,
    prepared: Prepared,
    series: Series,
    suppression: Suppression,
) -> Int8:
    """Return which rule each cell breaks: (R, F).

    A column that is missing at the end of planned work is lost in the first row after it.
    """
    scorer, broken = detector.scorer, detector.broken_rules(rows, prepared.entity)
    if scorer.rules.missing and scorer.preparation.masks and prepared.stale.any():
        scored, gap = scorer.can_score(series), scorer.schema.max_gaps(rows)
        gone = prepared.stale & ~without_reading_before(rows, scorer.schema)
        scored &= ~in_planned_work(suppression.intervals, rows)
        broken[lost(gone, scored, rows, max_gap=gap)] = MISSING
    return broken


def _distances(scorer: Scorer, judged: JudgedRows, entity: Int32, anomalous: Bool) -> Float64:
    """Return how far the far cells of anomalous rows are out: (M, F), 0 for the others."""
    values = judged.windows.rows.values[judged.windows.ends[anomalous]]
    return scorer.rules.far.distances(values, entity[anomalous], judged.broken[anomalous] == FAR)


def _p_values(
    detector: CalibratedScorer,
    judged: JudgedRows,
    entity: Int32,
    anomalous: Bool,
    distance: Float64,
) -> Float64:
    """Return the p-values of scores, and of anomalous rows with cells far out: (N,)."""
    p_value = detector.calibration.p_values(judged.evaluated.score, entity)
    rule, own = detector.scorer.rules.far, entity[anomalous]
    p_value[anomalous] = rule.p_values(p_value[anomalous], distance, own)
    return p_value


def _second_reasons(
    suppressed: SuppressedRows,
    judged: JudgedRows,
    anomalous: Bool,
    distance: Float64,
    *,
    offset: int,
) -> Int32:
    """Return why scored rows are suppressed, or which rule flagged them: (N,), -1 for others.

    Of several rules, that of far values is named, which decides the p-value too; of several cells
    far out, the furthest.
    """
    rows = np.flatnonzero(anomalous)
    broken = judged.broken[rows]
    some = broken.any(axis=1)
    rows, broken, distance = rows[some], broken[some], distance[some]
    column = np.where(broken == FAR, 1 + distance, broken > NONE).argmax(axis=1)
    rule = broken[np.arange(len(column)), column].astype(np.int32) - 1
    found = np.full(len(anomalous), -1, dtype=np.int32)
    found[rows] = len(suppressed.reasons) + rule * broken.shape[1] + column
    found = np.where(suppressed.reason >= 0, suppressed.reason, found)
    return np.where(found >= 0, found + offset, -1).astype(np.int32)


def _explained(
    scorer: Scorer, series: Series, ends: Int64, evaluated: Evaluated, anomalous: Bool
) -> tuple[Float32, Float32, Bool]:
    """Return expected values, blamed and by themselves unusual features: (M, D), (M, F), (M, F)."""
    rows = ends[anomalous]
    if not len(rows):  # as of most batches
        empty = evaluated.contributions(anomalous)
        return evaluated.expected_of(anomalous), empty, np.zeros(empty.shape, dtype=np.bool_)
    if scorer.alignment != "causal":  # a row may have no window that ends there
        expected, blamed = evaluated.expected_of(anomalous), evaluated.contributions(anomalous)
    else:
        expected = find_counterfactual(scorer, series.matrix, series.entity, rows)
        cells = (series.matrix, series.observed, expected, series.entity)
        blamed = blame_features(scorer, *cells, rows)
    return expected, *weigh_causes(scorer, series, rows, blamed)


def _rows_back(detector: CalibratedScorer, rows: Rows, prepared: Prepared) -> Int64:
    return positions(
        rows.time,
        starts=rows.starts,
        usable=prepared.usable & ~nameless(detector, rows),
        max_gap=detector.scorer.schema.max_gaps(rows),
    )
