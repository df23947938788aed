"""Settings of scores and thresholds: `[calibration]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

ThresholdName = Literal["alert_budget", "false_alarm_rate", "quantile", "pot", "fbeta", "precision"]


UnseenName = Literal["refuse", "pooled"]


DEFAULT_RATE = 0.001  # share of normal rows flagged, where the held-out rows support it
DEFAULT_BUDGET = "1 per day per entity"
DEFAULT_RENEWAL, NEVER = "1d", "never"  # of `renew`


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """Score function, threshold method and its promise: `[calibration]`."""

    holdout: Annotated[float, Gt(0), Lt(0.9)] = 0.2  # of each entity's rows, the last in time
    score: ScoreName = "ensemble"
    top_k: Annotated[int, Ge(1)] = 5  # largest parts of a row that score = "top_k" averages
    # weight of the distance from typical shapes in score = "ensemble"; None: chosen by evidence
    shapes: Annotated[float, Ge(0), Le(100)] | None = None
    alignment: AlignmentName = "causal"
    smooth: Annotated[int, Ge(1)] = 1  # rows that a score is averaged over; 1: no smoothing
    # None: alert_budget where the held-out time supports it, else false_alarm_rate; see `method`
    threshold: ThresholdName | None = None
    # events per hour, day, week or month, in all or "per entity"; None: 1 per day per entity
    alert_budget: str | None = None
    # share of rows in alarm, which a budget of events does not exceed either
    alarm_time: Annotated[float, Gt(0), Le(0.5)] = 0.01
    # of each entity's held-out rows; so many may be left out as anomalous; 0: none
    leave_out: Annotated[float, Ge(0), Le(0.2)] = 0.05
    # None: 0.001, or the smallest that the held-out rows support
    false_alarm_rate: Annotated[float, Gt(0), Lt(1)] | None = None
    quantile: Annotated[float, Gt(0), Lt(1)] = 0.999  # of held-out scores
    pot: Annotated[float, Gt(0), Lt(1)] = 1e-4  # share of normal rows flagged, by the tail alone
    beta: Annotated[float, Gt(0)] = 1.0  # weight of recall relative to precision, for fbeta
    precision: Annotated[float, Gt(0), Lt(1)] = 0.8  # share of reported events that are real
    # how often scoring runs renew the thresholds from recent scores; None: see `renewed_every`
    renew: str | None = None
    renew_from: str = "28d"  # how far back it takes scores
    # times the promised share: of all rows then, no more are above the renewed thresholds
    renew_within: Annotated[float, Ge(1)] = 10.0
    accept_after: str = "6h"  # since the begin of a strong event: then its level is taken as normal
    unseen: UnseenName = "refuse"  # pooled: unseen entities use the pooled scaling and threshold

    @property
    def method(self) -> ThresholdName:
        """The method that chooses the threshold: as set, else by the promise that is set.

        >>> CalibrationSettings().method, CalibrationSettings(false_alarm_rate=0.01).method
        ('alert_budget', 'false_alarm_rate')
        """
        if self.threshold is not None:
            return self.threshold
        asked = self.alert_budget is None and self.false_alarm_rate is not None
        return "false_alarm_rate" if asked else "alert_budget"

    def renewed_every(self, *, scheduled: bool) -> str | None:
        """How often scoring runs renew the thresholds: as set, else daily if they are scheduled.

        None: never. A bound (elbo) may be negative, and is never renewed.

        >>> CalibrationSettings().renewed_every(scheduled=True)
        '1d'
        >>> CalibrationSettings(renew=NEVER).renewed_every(scheduled=True)
        """
        if self.renew is not None:
            return None if self.renew == NEVER else self.renew
        return DEFAULT_RENEWAL if scheduled and self.score != "elbo" else None

    @property
    def is_default(self) -> bool:
        """Whether neither a method nor its promise is set, so that another may take its place."""
        return (self.threshold, self.alert_budget, self.false_alarm_rate) == (None, None, None)

    @property
    def budget(self) -> str:
        """The budget of events, as set or by default."""
        return self.alert_budget or DEFAULT_BUDGET


# Settings that may change without retraining.
THRESHOLD_KEYS = (
    *("threshold", "alert_budget", "alarm_time", "leave_out"),
    *("false_alarm_rate", "quantile", "pot", "beta", "precision", "unseen"),
    *("renew", "renew_from", "renew_within", "accept_after"),
)


# mse: mean squared residual. standardized: squared residuals over their usual size, by entity and
# column. mahalanobis: decorrelated residuals. tail: mean negative log tail probability of the
# residuals. top_k: mean of the largest standardized parts. elbo: see `aedetect.models.elbo`.
# ensemble: several time scales together, see `aedetect.detector.ensemble`.
ScoreName = Literal["ensemble", "mse", "standardized", "mahalanobis", "tail", "top_k", "elbo"]


# causal: by the window that ends at the row; centered: by all windows that cover it
AlignmentName = Literal["causal", "centered"]
