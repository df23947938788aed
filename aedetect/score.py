"""Detector + rows -> verdicts and causes. Pure: no file, no clock, no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aedetect.counterfactual import blamed, counterfactual
from aedetect.durations import format_duration
from aedetect.prepare import Prepared, apply
from aedetect.window import Matrix, positions

if TYPE_CHECKING:
    from aedetect.detector import Detector
    from aedetect.ingest import Bool, Int, Rows

NORMAL, ANOMALY, NOT_SCORED = "normal", "anomaly", "not_scored"


@dataclass(frozen=True)
class Scored:
    """Verdicts on rows, and for the anomalies what their causes are made from.

    Shapes: score (R,) NaN where not scored; p_value (R,); reason (R,) index into `reasons`, -1 for
    none. flagged (M,) rows with verdict anomaly; errors (M, F) each feature's part of the score;
    blamed (M, F) and expected (M, D), in model units, as `counterfactual` has them; entity (M,) row
    of the scaling.
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
        """(R,) normal, anomaly or not_scored."""
        code = np.where(self.reason >= 0, 2, 0).astype(np.int8)
        code[self.flagged] = 1
        words = pa.array([NORMAL, ANOMALY, NOT_SCORED])
        return words.take(pa.array(code))

    @property
    def reason_text(self) -> pa.StringArray:
        """(R,) why a row was not scored, null where it was."""
        return pa.array(self.reasons, pa.string()).take(pa.array(self.reason, mask=self.reason < 0))


def score_rows(detector: Detector, rows: Rows, wanted: Bool) -> Scored:
    """Score the wanted rows (R,); the others are context. What comes out covers wanted rows only.

    Of rows with equal entity and time the first is scored.
    """
    again = rows.duplicates
    kept = rows.take(~again) if again.any() else rows
    asked = wanted[~again] if again.any() else wanted
    prepared = apply(detector.scorer.preparation, kept)
    back = _rows_back(detector, kept, prepared)
    seen = prepared.observed.any(axis=1) & ~prepared.infinite.any(axis=1)
    ends = np.flatnonzero((back >= detector.scorer.length - 1) & seen & asked)
    reasons, reason = _reasons(detector, kept, prepared, back)
    evaluated = detector.scorer.evaluate(prepared.matrix, prepared.observed, prepared.entity, ends)
    score = evaluated.score
    # From here on, positions count all rows again, and then the wanted ones alone.
    place = np.flatnonzero(~again)
    score_all = np.full(len(rows), np.nan, dtype=np.float32)
    score_all[place[ends]] = score
    reason_all = np.full(len(rows), len(reasons) - 1, dtype=np.int32)
    reason_all[place] = reason
    reason_all[place[ends]] = -1
    own = prepared.entity[ends]
    strange = score > detector.calibration.thresholds(own)
    matrix, observed, codes = prepared.matrix, prepared.observed, prepared.entity
    expected = counterfactual(detector.scorer, matrix, codes, ends[strange])
    rank = np.cumsum(wanted) - 1
    p_value = np.full(len(rows), np.nan)
    p_value[place[ends]] = detector.calibration.p_values(score, own)
    return Scored(
        score=score_all[wanted],
        p_value=p_value[wanted],
        reason=reason_all[wanted],
        reasons=reasons,
        flagged=rank[place[ends[strange]]],
        errors=evaluated.errors[strange],
        blamed=blamed(detector.scorer, matrix, observed, expected, codes, ends[strange]),
        expected=expected,
        entity=own[strange],
    )


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
    fixed = (
        f"needs {scorer.length - 1} earlier rows",
        "all features are missing",
        "unseen entity",
        "entity is missing",
    )
    stale = tuple(f"{name} is missing{longer}" for name in names)
    infinite = tuple(f"{name} is infinite" for name in names)
    reason = np.zeros(len(rows), dtype=np.int32)
    reason[(back >= scorer.length - 1) & ~prepared.observed.any(axis=1)] = 1
    _set_first(reason, prepared.stale, offset=len(fixed))
    _set_first(reason, prepared.infinite, offset=len(fixed) + len(stale))
    reason[prepared.entity < 0] = 2
    reason[_nameless(detector, rows)] = 3
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
