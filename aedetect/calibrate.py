"""Held-out scores -> p-values and a threshold that keeps a promise.

A promise that the held-out rows cannot support is refused, with the number that it would need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from aedetect.errors import CalibrationRefused
from aedetect.scores import AlignmentName, ScoreName

Scores = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]
ThresholdName = Literal["false_alarm_rate", "quantile"]
DEFAULT_RATE = 0.001  # of normal rows flagged, where the held-out rows support it


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """Which promise: `[calibration]`."""

    holdout: Annotated[float, Gt(0), Lt(0.9)] = 0.2  # of each entity's rows, the last in time
    score: ScoreName = "mse"
    worst: Annotated[int, Ge(1)] = 5  # parts of a row that score = "worst" averages
    alignment: AlignmentName = "causal"
    smooth: Annotated[int, Ge(1)] = 1  # rows that a score is averaged over; 1: none but its own
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
    """Scores of rows held out by time, ascending: (n,); and the threshold that they support.

    `own` holds the calibration of each entity that has enough rows for one; the others share this.
    """

    scores: Scores
    threshold: Threshold
    version: int = 1
    own: Mapping[int, Calibration] = field(default_factory=dict)

    def thresholds(self, entity: Codes) -> npt.NDArray[np.float64]:
        """Return the threshold that holds for each row's entity: (N,) -> (N,)."""
        values = np.full(len(entity), self.threshold.value)
        for chosen, own in self._groups(entity):
            values[chosen] = own.threshold.value
        return values

    def p_values(self, scores: Scores, entity: Codes) -> npt.NDArray[np.float64]:
        """Return p-values among the held-out scores of each row's entity: (N,), (N,) -> (N,)."""
        values = p_values(self, scores)
        for chosen, own in self._groups(entity):
            values[chosen] = p_values(own, scores[chosen])
        return values

    def _groups(self, entity: Codes) -> Iterator[tuple[npt.NDArray[np.bool_], Calibration]]:
        for code in np.unique(entity).tolist():
            if code in self.own:
                yield entity == code, self.own[code]


def calibrate(
    scores: Scores, *, settings: CalibrationSettings, entity: Codes | None = None
) -> Calibration:
    """Choose the thresholds that the settings ask for, from held-out scores: (n,), (n,).

    With the entity of each score, those with enough of them get a threshold of their own, for the
    same promise: scores of one entity need not be like those of another. Mondrian conformal
    prediction: Vovk, Gammerman, Shafer: Algorithmic learning in a random world (2005), section 4.5.
    Raises CalibrationRefused.
    """
    pooled = _calibrated(scores, settings)
    if entity is None or (entity == entity[0]).all():
        return pooled
    own = {}
    same = settings
    if settings.threshold == "false_alarm_rate":
        same = replace(settings, false_alarm_rate=pooled.threshold.rate)
    for code in np.unique(entity).tolist():
        with suppress(CalibrationRefused):
            own[code] = _calibrated(scores[entity == code], same)
    return replace(pooled, own=own)


def _calibrated(scores: Scores, settings: CalibrationSettings) -> Calibration:
    """Calibrate on scores of one kind."""
    ordered = np.sort(scores)
    if not len(ordered):
        raise CalibrationRefused(
            "a threshold needs held-out windows, got none: give more rows, raise [calibration] "
            "holdout, or lower [window] length"
        )
    return Calibration(ordered, THRESHOLDS[settings.threshold](ordered, settings))


def p_values(calibration: Calibration, scores: Scores) -> npt.NDArray[np.float64]:
    """Return the share of normal rows that would score as high, of all entities: (N,) -> (N,).

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
    exact = _exact(rate)
    rank = math.ceil((n + 1) * (1 - exact))
    if rank > n:
        raise CalibrationRefused(
            f"a false_alarm_rate of {rate:g} needs {math.ceil(1 / exact) - 1} held-out windows, "
            f"got {n}: give more rows, raise [calibration] holdout, or ask for at least "
            f"{1 / (n + 1):.2g}"
        )
    return Threshold(float(ordered[rank - 1]), "false_alarm_rate", rate)


def _quantile(ordered: Scores, settings: CalibrationSettings) -> Threshold:
    """Take the smallest held-out score with at least this share of them at or below it.

    What that promises of new rows is a little less: n + 1 - rank of n + 1, not of n.
    """
    n, exact = len(ordered), _exact(settings.quantile)
    if n * (1 - exact) < 1:
        raise CalibrationRefused(
            f"a quantile of {settings.quantile:g} needs {math.ceil(1 / (1 - exact))} held-out "
            f"windows, got {n}: give more rows, raise [calibration] holdout, or ask for at most "
            f"{(n - 1) / n:.6g}"
        )
    rank = math.ceil(n * exact)
    return Threshold(float(ordered[rank - 1]), "quantile", (n + 1 - rank) / (n + 1))


def _exact(share: float) -> Fraction:
    """Return the decimal that was meant: 1 - 0.9 is a tenth, whatever its last bit says."""
    return Fraction(f"{share:.12g}")


THRESHOLDS: dict[ThresholdName, Callable[[Scores, CalibrationSettings], Threshold]] = {
    "false_alarm_rate": _false_alarm_rate,
    "quantile": _quantile,
}
