"""Scores, threshold and forecast of one entity, or of all entities pooled."""

from __future__ import annotations

from dataclasses import dataclass

from aedetect.calibration.conformal import Reference
from aedetect.calibration.forecast import Forecast, Timing, forecast
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.thresholds import Threshold


@dataclass(frozen=True)
class Group:
    """Scores, threshold and forecast of one entity, or of all entities pooled."""

    reference: Reference
    threshold: Threshold
    forecast: Forecast


def make_group(reference: Reference, threshold: Threshold, rows: HeldOut, timing: Timing) -> Group:
    """Combine scores, threshold and forecast of one entity."""
    beyond = rows_beyond(reference, threshold, len(rows))
    flagged = rows.score >= threshold.value
    return Group(
        reference, threshold, forecast(rows, flagged, timing, together=False, beyond=beyond)
    )


def rows_beyond(reference: Reference, threshold: Threshold, rows: int) -> float:
    """Return the expected number of rows above a threshold that no held-out score reaches."""
    return rows * threshold.rate if threshold.value > reference.scores[-1] else 0.0
