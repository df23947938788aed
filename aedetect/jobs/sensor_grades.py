"""How much each column can tell: High, Medium or Low, with the reason, worst first.

Amazon Lookout for Equipment graded sensors so. The grade is that of a detector and of the newest
days: whether the column varies, whether it is there, and whether what surrounds it tells its value.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.daily_table import missing_shares
from aedetect.output.partitions import Span
from aedetect.report.facts import Quality, SensorGrade

if TYPE_CHECKING:
    from aedetect.arrays import Float64
    from aedetect.detector import Scorer
    from aedetect.wall_clock import WallClock

_RARELY_THERE, _OFTEN_MISSING = 0.5, 0.05  # share of rows without a value, on the newest days
_UNTOLD = 0.95  # usual residual in units of the column's own spread
_ORDER: tuple[Quality, ...] = ("Low", "Medium", "High")


def grade_sensors(
    scorer: Scorer, output: Path, *, span: Span, clock: WallClock
) -> tuple[SensorGrade, ...]:
    """Grade the features of a scorer, the lowest grade first. Raises OutputError."""
    missing = missing_shares(output, span=span, clock=clock)
    constant = ~np.isnan(scorer.rules.constant[:-1] if len(scorer.rules.constant) > 1 else (
        scorer.rules.constant
    ))  # fmt: skip
    size = np.median(scorer.residuals.size[:, scorer.preparation.first_columns], axis=0)
    graded = [
        _grade(feature.name, missing.get(feature.name, 0.0), constant[:, at], float(size[at]))
        for at, feature in enumerate(scorer.schema.features)
    ]
    return tuple(sorted(graded, key=lambda each: (_ORDER.index(each.grade), each.name)))


def _grade(name: str, missing: float, constant: Float64, size: float) -> SensorGrade:
    """Grade a column: share of rows without it, entities in which it is constant: (E,), residual.

    >>> _grade("cpu", 0.0, np.array([False]), 0.6).grade
    'High'
    """
    same, entities = int(constant.sum()), len(constant)
    if same == entities:
        why = "one value in all of the training: only a change of it can be seen"
        return SensorGrade(name=name, grade="Low", reason=why)
    if missing >= _RARELY_THERE:
        why = f"missing in {missing:.0%} of the newest rows"
        return SensorGrade(name=name, grade="Low", reason=why)
    found = []
    if missing >= _OFTEN_MISSING:
        found.append(f"missing in {missing:.0%} of the newest rows")
    if same:
        found.append(f"one value in the training of {same} of {entities} entities")
    if size >= _UNTOLD:
        found.append(
            "the other columns do not tell its value: only what is unusual in itself is seen"
        )
    if found:
        return SensorGrade(name=name, grade="Medium", reason="; ".join(found))
    why = "varies, is there, and the other columns tell its value"
    return SensorGrade(name=name, grade="High", reason=why)
