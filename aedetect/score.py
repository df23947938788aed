"""Detector + rows -> verdicts and causes. Pure: no file, no clock, no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aedetect.counterfactual import blamed, counterfactual
from aedetect.detector import Series
from aedetect.durations import format_duration
from aedetect.prepare import Prepared, apply
from aedetect.suppress import Judged, Suppression, judge
from aedetect.window import Matrix, positions

if TYPE_CHECKING:
    from aedetect.detector import Detector, Evaluated, Scorer
    from aedetect.ingest import Bool, Int, Rows

NORMAL, ANOMALY, NOT_SCORED = "normal", "anomaly", "not_scored"
SUPPRESSED = "suppressed"  # scored, and kept quiet
_QUIET_BY_DEFAULT = Suppression()


@dataclass(frozen=True)
class Scored:
    """Verdicts on rows, and for the anomalies what their causes are made from.

    Shapes: score (R,) NaN where not scored; p_value (R,); reason (R,) index into `reasons`, why a
    row was not scored or is kept quiet, -1 for none. flagged (M,) rows with verdict anomaly;
    errors (M, F) each feature's part of the score; blamed (M, F) and expected (M, D), in model
    units, as `counterfactual` has them; entity (M,) row of the scaling.
    """

    score: npt.NDArray[np.float32]
    p_value: npt.NDArray[np.float64]
    reason: npt.NDArray[np.int32]
    reasons: tuple[str, ...]
    flagged: Int
    errors: Matrix
    blamed: Matrix
    expected: Matrix
    entity: npt.NDArray[np.int32]

    @property
    def verdict(self) -> pa.StringArray:
        """(R,) normal, anomaly, not_scored or suppressed."""
        code = np.where(self.reason >= 0, np.where(np.isnan(self.score), 2, 3), 0).astype(np.int8)
        code[self.flagged] = 1
        words = pa.array([NORMAL, ANOMALY, NOT_SCORED, SUPPRESSED])
        return words.take(pa.array(code))

    @property
    def reason_text(self) -> pa.StringArray:
        """(R,) why a row was not scored or is kept quiet, null for the others."""
        return pa.array(self.reasons, pa.string()).take(pa.array(self.reason, mask=self.reason < 0))


def score_rows(
    detector: Detector, rows: Rows, wanted: Bool, suppression: Suppression = _QUIET_BY_DEFAULT
) -> Scored:
    """Score the wanted rows (R,); the others are context. What comes out covers wanted rows only.

    Of rows with equal entity and time the first is scored. What is suppressed keeps its score.
    """
    again = rows.duplicates
    kept = rows.take(~again) if again.any() else rows
    asked = wanted[~again] if again.any() else wanted
    pooled = detector.calibration.unseen == "pooled"
    prepared = apply(detector.scorer.preparation, kept, unseen=pooled)
    series = Series(
        matrix=prepared.matrix,
        observed=prepared.observed,
        entity=prepared.entity,
        back=_rows_back(detector, kept, prepared),
        valid=np.logical_not(prepared.infinite.any(axis=1)),
    )
    reasons, reason = _reasons(detector, kept, prepared, series.back)
    ends, evaluated = detector.scorer.judge(series, asked)
    score = evaluated.score
    # From here on, positions count all rows again, and then the wanted ones alone.
    place = np.flatnonzero(~again)
    score_all = np.full(len(rows), np.nan, dtype=np.float32)
    score_all[place[ends]] = score
    reason_all = np.full(len(rows), len(reasons) - 1, dtype=np.int32)
    reason_all[place] = reason
    own = prepared.entity[ends]
    judged = Judged(
        rows=kept.take(ends),
        evaluated=evaluated,
        observed=prepared.matrix[ends],
        seen=prepared.observed[ends],
        threshold=detector.calibration.thresholds(own),
    )
    quiet = judge(suppression, detector.scorer, judged)
    reason_all[place[ends]] = np.where(quiet.reason < 0, -1, quiet.reason + len(reasons))
    strange = judged.above & (quiet.reason < 0)
    expected, blame = _explained(detector.scorer, series, ends, evaluated, strange)
    rank = np.cumsum(wanted) - 1
    p_value = np.full(len(rows), np.nan)
    p_value[place[ends]] = detector.calibration.p_values(score, own)
    return Scored(
        score=score_all[wanted],
        p_value=p_value[wanted],
        reason=reason_all[wanted],
        reasons=reasons + quiet.reasons,
        flagged=rank[place[ends[strange]]],
        errors=evaluated.errors[strange],
        blamed=blame,
        expected=expected,
        entity=own[strange],
    )


def _explained(
    scorer: Scorer, series: Series, ends: Int, evaluated: Evaluated, strange: Bool
) -> tuple[Matrix, Matrix]:
    """Return what was expected of the strange rows, and what they are blamed on: (M, D), (M, F)."""
    if scorer.alignment != "causal":  # a row need not have a window that ends there
        return evaluated.expected[strange], evaluated.errors[strange]
    expected = counterfactual(scorer, series.matrix, series.entity, ends[strange])
    cells = (series.matrix, series.observed, expected, series.entity)
    return expected, blamed(scorer, *cells, ends[strange])


def _rows_back(detector: Detector, rows: Rows, prepared: Prepared) -> Int:
    return positions(
        rows.time,
        starts=rows.starts,
        usable=prepared.usable & ~_nameless(detector, rows),
        max_gap=detector.scorer.schema.max_gap,
    )


def _reasons(
    detector: Detector, rows: Rows, prepared: Prepared, back: Int
) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Return every reason there can be, and the index of each row's, should it not be scored.

    The most specific wins, so it is set last.
    """
    scorer = detector.scorer
    names = scorer.schema.names
    limit = scorer.preparation.missing_limit
    longer = (
        f" for longer than {format_duration(limit)}"
        if scorer.preparation.missing == "carry"
        else ""
    )
    needed = scorer.preparation.min_observed
    short = (
        f"no full window of {scorer.length} rows covers it"
        if scorer.alignment == "centered"
        else f"needs {scorer.length - 1} earlier rows"
    )
    few = (f"{n} of {len(names)} features observed, {needed} needed" for n in range(1, needed))
    fixed = (short, "unseen entity", "entity is missing", "all features are missing", *few)
    stale = tuple(f"{name} is missing{longer}" for name in names)
    infinite = tuple(f"{name} is infinite" for name in names)
    reason = np.zeros(len(rows), dtype=np.int32)
    counted = scorer.counted(prepared.observed)
    too_few = scorer.covered(back) & (counted < needed)
    reason[too_few] = fixed.index("all features are missing") + counted[too_few]
    _set_first(reason, prepared.stale, offset=len(fixed))
    _set_first(reason, prepared.infinite, offset=len(fixed) + len(stale))
    if detector.calibration.unseen == "refuse":
        reason[prepared.entity < 0] = 1
    reason[_nameless(detector, rows)] = 2
    return (*fixed, *stale, *infinite, "duplicate timestamp"), reason


def _nameless(detector: Detector, rows: Rows) -> Bool:
    """Return which rows lack the entity that they should have: they may be of many: (R,)."""
    needed = detector.scorer.schema.entity is not None
    nameless = np.array([needed and name is None for name in rows.names], dtype=np.bool_)
    return np.asarray(nameless[rows.entity])


def _set_first(reason: npt.NDArray[np.int32], marks: Bool, *, offset: int) -> None:
    """Where any feature is marked, set the reason that belongs to the first of them."""
    rows = np.flatnonzero(marks.any(axis=1))
    reason[rows] = offset + marks[rows].argmax(axis=1)
