"""Held-out scores -> p-values and a threshold that keeps a promise.

A promise that the held-out rows cannot support is refused, with the number that it would need.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Gt, Lt

from aedetect.errors import CalibrationRefused

Scores = npt.NDArray[np.float32]
ThresholdName = Literal["false_alarm_rate", "quantile"]
DEFAULT_RATE = 0.001  # of normal rows flagged, where the held-out rows support it


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """Which promise: `[calibration]`."""

    holdout: Annotated[float, Gt(0), Lt(0.9)] = 0.2  # of each entity's rows, the last in time
    score: Literal["mse", "standardized"] = "mse"
    threshold: ThresholdName = "false_alarm_rate"
    # None: 0.001, or the smallest that the held-out rows support
    false_alarm_rate: Annotated[float, Gt(0), Lt(1)] | None = None
    quantile: Annotated[float, Gt(0), Lt(1)] = 0.999  # of held-out scores


@dataclass(frozen=True)
class Threshold:
    """A row is an anomaly when its score is above `value`."""

    value: float
    method: ThresholdName
    rate: float  # at most this share of normal rows is flagged, as promised


@dataclass(frozen=True)
class Calibration:
    """Scores of rows held out by time, ascending: (n,); and the threshold that they support."""

    scores: Scores
    threshold: Threshold
    version: int = 1


def calibrate(scores: Scores, *, settings: CalibrationSettings) -> Calibration:
    """Choose the threshold that the settings ask for. Raises CalibrationRefused."""
    ordered = np.sort(scores)
    if not len(ordered):
        raise CalibrationRefused(
            "a threshold needs held-out windows, got none: give more rows, raise [calibration] "
            "holdout, or lower [window] length"
        )
    return Calibration(ordered, THRESHOLDS[settings.threshold](ordered, settings))


def p_values(calibration: Calibration, scores: Scores) -> npt.NDArray[np.float64]:
    """Return the share of normal rows that would score as high: (N,) -> (N,).

    The conformal rank (1 + #{held-out >= score}) / (n + 1), which is valid at any n:
    Vovk, Gammerman, Shafer: Algorithmic learning in a random world (2005), section 2.2.

    >>> low = Calibration(np.array([1, 2, 3], np.float32), Threshold(3.0, "quantile", 0.25))
    >>> p_values(low, np.array([0, 2, 4], np.float32)).tolist()
    [1.0, 0.75, 0.25]
    """
    held_out = calibration.scores
    as_high = len(held_out) - np.searchsorted(held_out, scores, side="left")
    return np.asarray((1.0 + as_high) / (len(held_out) + 1.0))


def _false_alarm_rate(ordered: Scores, settings: CalibrationSettings) -> Threshold:
    """Take the smallest held-out score above which a normal row falls with at most this chance.

    The ceil((n + 1)(1 - rate))-th smallest of n: Lei et al.: Distribution-free predictive
    inference for regression (2018), equation 3. Exact fractions, because one rank more or less
    doubles the alarms when n is small.
    """
    n = len(ordered)
    rate = settings.false_alarm_rate
    if rate is None:
        rate = max(DEFAULT_RATE, float(f"{1 / (n + 1) + 5e-7:.6f}"))
    exact = Fraction(str(rate))
    rank = math.ceil((n + 1) * (1 - exact))
    if rank > n:
        raise CalibrationRefused(
            f"a false_alarm_rate of {rate:g} needs {math.ceil(1 / exact) - 1} held-out windows, "
            f"got {n}: give more rows, raise [calibration] holdout, or ask for at least "
            f"{1 / (n + 1):.2g}"
        )
    return Threshold(float(ordered[rank - 1]), "false_alarm_rate", rate)


def _quantile(ordered: Scores, settings: CalibrationSettings) -> Threshold:
    """Take the smallest held-out score with at least this share of them at or below it."""
    n, exact = len(ordered), Fraction(str(settings.quantile))
    if n * (1 - exact) < 1:
        raise CalibrationRefused(
            f"a quantile of {settings.quantile:g} needs {math.ceil(1 / (1 - exact))} held-out "
            f"windows, got {n}: give more rows, raise [calibration] holdout, or ask for at most "
            f"{(n - 1) / n:.6g}"
        )
    rank = math.ceil(n * exact)
    return Threshold(float(ordered[rank - 1]), "quantile", float(1 - exact))


THRESHOLDS: dict[ThresholdName, Callable[[Scores, CalibrationSettings], Threshold]] = {
    "false_alarm_rate": _false_alarm_rate,
    "quantile": _quantile,
}
