"""The rows on which two versions are compared, and the verdicts of each on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.calibration import HeldOut
from aedetect.calibration.forecast import Timing


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """One version's verdicts on the common rows (N,), and on injected anomalies.

    `broken` (N,): rows that break a column rule. `injected` (A,): the smallest p-value in each
    injected anomaly, 1 where none was scored, 0 where a rule was broken; `unaltered` (A,): the same
    of these rows as they are.
    """

    p_value: Float64
    flagged: Bool
    broken: Bool
    injected: Float64
    unaltered: Float64
    predicted: float  # events a day, by its calibration

    @property
    def strangeness(self) -> Float64:
        """The p-values, 0 of rows that a rule flags at any threshold: (N,)."""
        return np.where(self.broken, 0.0, self.p_value)

    def told_by(self, level: float) -> Float64:
        """Return the p-values of injected anomalies, 1 where its rows are flagged without: (A,).

        Who is in alarm already tells nothing by it: a stuck alarm would find all that lies in it.
        """
        return np.where(self.unaltered <= level, 1.0, self.injected)


@dataclass(frozen=True)
class CommonRows:
    """Rows that both versions scored, by entity and time, and the known anomaly of each.

    `known` (N,): number of the anomaly, -1 for none.
    """

    rows: HeldOut
    known: Int64
    timing: Timing
