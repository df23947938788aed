"""The results of scoring stages: rows in order, their scores, verdicts and explanations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.arrays import Float32, Float64
from aedetect.output.schemas import ANOMALY, NORMAL, NOT_SCORED, SUPPRESSED

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int32, Int64
    from aedetect.detector.ensemble_parts import EnsembleParts


@dataclass(frozen=True)
class Evaluated:
    """N scored rows: score (N,), and what they were compared with.

    Shapes: made (M, D) expected values in model units, alone (M, F) each feature's part of the
    score. Of the score "ensemble", whose parts take time, they are those of a row alone, of more
    rows than are scored; `parts` has the rest, and which are scored. Few of them are asked for.
    """

    score: Float32
    made: Float32
    alone: Float32
    parts: EnsembleParts | None = None

    @property
    def expected(self) -> Float32:
        """(N, D) expected values in model units."""
        return self.made if self.parts is None else self.made[self.parts.at]

    @property
    def errors(self) -> Float32:
        """(N, F) each feature's part of the score of the row alone."""
        return self.alone if self.parts is None else self.alone[self.parts.at]

    def expected_of(self, chosen: Bool | Int64) -> Float32:
        """Return the expected values of some of the rows: (K, D)."""
        return np.asarray(self.made[chosen if self.parts is None else self.parts.at[chosen]])

    def contributions(self, chosen: Bool | Int64) -> Float32:
        """Return what each feature adds to the score of some of the rows: (K, F)."""
        some = chosen if self.parts is None else self.parts.at[chosen]
        if self.parts is None or not len(some):
            return np.asarray(self.alone[some])
        return self.parts.take(chosen).contributions()


@dataclass(frozen=True)
class Series:
    """Prepared rows in order, with their properties.

    Shapes: matrix (R, D + K), observed (R, D), entity (R,); back (R,) usable rows directly before
    each, -1 for unusable rows; valid (R,) False where a row must not be scored though it may lie
    in a window; tick (R,) from `ticks_of`; masked (R, D) cells that are missing for too long to be
    filled, None for none; apart (R,) rows that no mean over neighbours takes in, None for none.
    """

    matrix: Float32
    observed: Bool
    entity: Int32
    back: Int64
    valid: Bool
    tick: Int64
    masked: Bool | None = None
    apart: Bool | None = None


@dataclass(frozen=True)
class Scored:
    """Verdicts on rows, and for anomalies the inputs of their causes.

    Shapes: score (R,) NaN where not scored; p_value (R,); reason (R,) index into `reasons`, why a
    row was not scored or is suppressed, or which column rule flagged it, -1 for none. flagged (M,)
    rows with verdict anomaly; errors (M, F) each feature's part of the score; blamed (M, F) and
    expected (M, D), in model units, from `counterfactual`; alone (M, F) whether a value is unusual
    whatever the others are; entity (M,) row of the scaling;
    constant (M, F) what a column that should not change should have been, else NaN.
    """

    score: Float32
    p_value: Float64
    reason: Int32
    reasons: tuple[str, ...]
    flagged: Int64
    errors: Float32
    blamed: Float32
    expected: Float32
    alone: Bool
    entity: Int32
    constant: Float64

    def ordered(self, order: Int64) -> Scored:
        """Return the verdicts on rows in another order (R,), flagged ones in that order, too."""
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        flagged = place[self.flagged]
        by = np.argsort(flagged)
        return Scored(
            score=self.score[order],
            p_value=self.p_value[order],
            reason=self.reason[order],
            reasons=self.reasons,
            flagged=flagged[by],
            errors=self.errors[by],
            blamed=self.blamed[by],
            expected=self.expected[by],
            alone=self.alone[by],
            entity=self.entity[by],
            constant=self.constant[by],
        )

    @property
    def verdict(self) -> pa.StringArray:
        """(R,) normal, anomaly, not_scored or suppressed."""
        code = np.where(self.reason >= 0, np.where(np.isnan(self.score), 2, 3), 0).astype(np.int8)
        code[self.flagged] = 1
        words = pa.array([NORMAL, ANOMALY, NOT_SCORED, SUPPRESSED])
        return words.take(pa.array(code))

    @property
    def reason_text(self) -> pa.StringArray:
        """(R,) why a row was not scored, is suppressed or broke a rule, else null."""
        return pa.array(self.reasons, pa.string()).take(pa.array(self.reason, mask=self.reason < 0))
