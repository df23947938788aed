"""Held-out rows -> the normal ones among them, and their scores by entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from aedetect.arrays import Float64
from aedetect.calibration.conformal import Reference
from aedetect.calibration.forecast import Timing
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.levels import Levels
from aedetect.calibration.outliers import suspect_rows
from aedetect.errors import CalibrationRefused


@dataclass(frozen=True)
class Sample:
    """The scores to choose thresholds from. `own` is empty when entities are scaled together."""

    held_out: HeldOut
    normal: HeldOut
    pooled: Reference
    own: Mapping[int, Reference]
    levels: Levels
    timing: Timing


def make_sample(
    held_out: HeldOut, *, timing: Timing, per_entity: bool = True, leave_out: float = 0.0
) -> Sample:
    """Split the held-out rows for choosing thresholds: normal rows, pooled and per entity.

    Up to a share of each entity's rows is left out: stretches that look anomalous. Raises
    CalibrationRefused when there is no normal row.
    """
    held_out = _marked(held_out, timing, leave_out)
    normal = held_out.normal
    if not len(normal):
        raise CalibrationRefused(
            "a threshold needs held-out windows, got none: give more rows, raise [calibration] "
            "holdout, or lower [window] length"
        )
    several = bool((normal.entity != normal.entity[0]).any())
    levels = Levels.of(normal, timing)
    normal = normal.holding(_held_above(levels, timing.rules.hold, own=per_entity or not several))
    levels = replace(levels, rows=normal)
    codes = np.unique(normal.entity).tolist()
    by_code = {
        code: Reference(levels.ordered.of_entity(code), levels.tails.of_entity(code))
        for code in (codes if per_entity or not several else ())
    }
    if several:
        return Sample(held_out, normal, Reference.of(normal.score), by_code, levels, timing)
    return Sample(held_out, normal, by_code[codes[0]], {}, levels, timing)


def _held_above(levels: Levels, level: float, *, own: bool) -> Float64:
    """Return the score above which an event goes on, of each held-out row: (n,)."""
    rows = levels.rows
    if not level:
        return np.full(len(rows), np.inf)
    pooled = Reference.of(rows.score).score_at(level)
    if not own:
        return np.full(len(rows), pooled)
    values = np.where(levels.of_rank(level), levels.scores_at(level), pooled)
    return np.asarray(values[rows.entity])


def _marked(held_out: HeldOut, timing: Timing, share: float) -> HeldOut:
    """Mark the rows that look anomalous; what was marked before does not count."""
    suspect = np.zeros(len(held_out), dtype=np.bool_)
    unlabelled = np.flatnonzero(~held_out.anomaly)
    suspect[unlabelled] = suspect_rows(held_out.take(unlabelled), timing, most=share)
    return replace(held_out, suspect=suspect)
