"""Settings of scores and thresholds: `[calibration]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

ThresholdName = Literal["alert_budget", "false_alarm_rate", "quantile", "pot", "fbeta"]


UnseenName = Literal["refuse", "pooled"]


DEFAULT_RATE = 0.001  # share of normal rows flagged, where the held-out rows support it


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """Score function, threshold method and its promise: `[calibration]`."""

    holdout: Annotated[float, Gt(0), Lt(0.9)] = 0.2  # of each entity's rows, the last in time
    score: ScoreName = "ensemble"
    worst: Annotated[int, Ge(1)] = 5  # largest parts of a row that score = "worst" averages
    alignment: AlignmentName = "causal"
    smooth: Annotated[int, Ge(1)] = 1  # rows that a score is averaged over; 1: no smoothing
    threshold: ThresholdName = "false_alarm_rate"
    # for threshold = "alert_budget": events per hour, day, week or month
    alert_budget: str = "1 per day"
    # None: 0.001, or the smallest that the held-out rows support
    false_alarm_rate: Annotated[float, Gt(0), Lt(1)] | None = None
    quantile: Annotated[float, Gt(0), Lt(1)] = 0.999  # of held-out scores
    pot: Annotated[float, Gt(0), Lt(1)] = 1e-4  # share of normal rows flagged, by the tail alone
    beta: Annotated[float, Gt(0)] = 1.0  # weight of recall relative to precision, for fbeta
    unseen: UnseenName = "refuse"  # pooled: unseen entities use the pooled scaling and threshold


# Settings that may change without retraining.
THRESHOLD_KEYS = (
    *("threshold", "alert_budget", "false_alarm_rate", "quantile", "pot", "beta", "unseen"),
)


# mse: mean squared residual. standardized: squared residuals over their usual size, by entity and
# column. mahalanobis: decorrelated residuals. tail: mean negative log tail probability of the
# residuals. worst: mean of the largest standardized parts. elbo: see `aedetect.models.elbo`.
# ensemble: several time scales together, see `aedetect.detector.ensemble`.
ScoreName = Literal["ensemble", "mse", "standardized", "mahalanobis", "tail", "worst", "elbo"]


# causal: by the window that ends at the row; centered: by all windows that cover it
AlignmentName = Literal["causal", "centered"]
