"""Held-out scores -> p-values and thresholds that keep a promise.

    tail.py            how rare a score is beyond all held-out ones
    conformal.py       p-value of a score, score at a p-value
    thresholds.py      promises by rank or tail: false_alarm_rate, quantile, pot
    alert_budget.py    promises about events: alert_budget
    fbeta.py           agreement with labels
    forecast.py        events that thresholds would have given
    feature_limits.py  how far each column may be from what is expected

A promise that the held-out rows cannot support is refused, with the number that it would need.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int32
from aedetect.calibration.alert_budget import alert_budget
from aedetect.calibration.conformal import Reference
from aedetect.calibration.fbeta import fbeta
from aedetect.calibration.forecast import Forecast, Timing, forecast
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.settings import CalibrationSettings, ThresholdName, UnseenName
from aedetect.calibration.thresholds import (
    Choice,
    Sample,
    Threshold,
    by_reference,
    false_alarm_rate,
    pot,
    quantile,
)
from aedetect.errors import CalibrationRefused
from aedetect.events import EventRules
from aedetect.logs import log_event

METHODS: dict[ThresholdName, Callable[[Sample, CalibrationSettings], Choice]] = {
    "alert_budget": alert_budget,
    "false_alarm_rate": by_reference(false_alarm_rate),
    "quantile": by_reference(quantile),
    "pot": by_reference(pot),
    "fbeta": fbeta,
}
logger = logging.getLogger(__name__)

MINUTE = 60_000_000_000  # ns
APART = Timing(rules=EventRules(MINUTE), period=MINUTE, max_gap=MINUTE, length=1)


@dataclass(frozen=True)
class Group:
    """The scores and the threshold of one entity, or of all together, and what to expect."""

    reference: Reference
    threshold: Threshold
    forecast: Forecast


@dataclass(frozen=True)
class Calibration:
    """What was learnt from rows held out by time, and the thresholds that they support.

    `own` holds the entities that have a threshold of their own; the others share the pooled one.
    Shapes: limits (max(E, 1), D), in model units: how far observed may be from expected.
    """

    reference: Reference  # the scores of all entities together
    threshold: Threshold
    forecast: Forecast  # of the events of all entities
    own: Mapping[int, Group] = field(default_factory=dict)
    version: int = 1
    unseen: UnseenName = "refuse"
    held_out: HeldOut = field(default_factory=lambda: HeldOut.of([]))
    limits: Float32 = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    elsewhere: Mapping[str, float] = field(default_factory=dict)  # pooled threshold at other betas

    @property
    def scores(self) -> Float32:
        """Held-out scores of all entities together, ascending: (n,)."""
        return self.reference.scores

    def thresholds(self, entity: Int32) -> Float64:
        """Return the threshold that holds for each row's entity: (N,) -> (N,)."""
        values = np.full(len(entity), self.threshold.value)
        for chosen, own in self._groups(entity):
            values[chosen] = own.threshold.value
        return values

    def p_values(self, scores: Float32, entity: Int32) -> Float64:
        """Return p-values among the held-out scores of each row's entity: (N,), (N,) -> (N,)."""
        values = self.reference.p_values(scores)
        for chosen, own in self._groups(entity):
            values[chosen] = own.reference.p_values(scores[chosen])
        return values

    def limits_of(self, entity: Int32) -> Float32:
        """Return how far each column may be from what is expected: (N,) -> (N, D).

        Entities that were never seen (-1) have the widest of all.
        """
        widest = self.limits.max(axis=0, keepdims=True)
        return np.asarray(np.concatenate([self.limits, widest])[entity])

    def _groups(self, entity: Int32) -> Iterator[tuple[Bool, Group]]:
        for code in np.unique(entity).tolist():
            if code in self.own:
                yield entity == code, self.own[code]


def fit_calibration(
    held_out: HeldOut,
    *,
    settings: CalibrationSettings,
    timing: Timing = APART,
    per_entity: bool = True,
    version: int = 1,
    limits: Float32 | None = None,
) -> Calibration:
    """Choose the thresholds that the settings ask for. Raises CalibrationRefused.

    Entities get thresholds of their own where they have the rows for it, unless they are scaled
    together (`per_entity` False), when a new row does not say which one it is.
    """
    sample = sampled(held_out, timing=timing, per_entity=per_entity)
    choice = METHODS[settings.threshold](sample, settings)
    rows = sample.normal
    values = np.full(len(rows), choice.pooled.value)
    groups = {}
    beyond = 0.0
    for code, threshold in choice.own.items():
        chosen = rows.entity == code
        values[chosen] = threshold.value
        groups[code] = _group(sample.own[code], threshold, rows.take(chosen), timing)
        beyond += _beyond(sample.own[code], threshold, len(sample.own[code]))
    shared = int((~np.isin(rows.entity, list(groups))).sum())
    beyond += _beyond(sample.pooled, choice.pooled, shared)
    in_all = forecast(rows, rows.score >= values, timing, together=True, beyond=beyond)
    return Calibration(
        reference=sample.pooled,
        threshold=choice.pooled,
        forecast=in_all,
        own=groups,
        version=version,
        unseen=settings.unseen,
        held_out=held_out,
        limits=np.zeros((1, 0), np.float32) if limits is None else limits,
        elsewhere=choice.elsewhere,
    )


def _group(reference: Reference, threshold: Threshold, rows: HeldOut, timing: Timing) -> Group:
    """Say what to expect of one entity's threshold."""
    beyond = _beyond(reference, threshold, len(rows))
    flagged = rows.score >= threshold.value
    return Group(
        reference, threshold, forecast(rows, flagged, timing, together=False, beyond=beyond)
    )


def _beyond(reference: Reference, threshold: Threshold, rows: int) -> float:
    """Return how many of so many rows are expected above a threshold that no held-out reaches."""
    return rows * threshold.rate if threshold.value > reference.scores[-1] else 0.0


def log_calibration(calibration: Calibration) -> None:
    """Say what was chosen, and what to expect of it."""
    threshold, expected = calibration.threshold, calibration.forecast
    log_event(
        logger,
        "calibrated",
        windows=len(calibration.scores),
        rate=threshold.rate,
        threshold=threshold.value,
        own=len(calibration.own),
        per_day=expected.per_day,
        low=expected.low,
        high=expected.high,
    )
    for setting, value in calibration.elsewhere.items():
        log_event(logger, "elsewhere", setting=setting, threshold=value)


def sampled(held_out: HeldOut, *, timing: Timing = APART, per_entity: bool = True) -> Sample:
    """Take apart what thresholds are chosen from: the normal rows, of all and of each entity."""
    normal = held_out.normal
    if not len(normal):
        raise CalibrationRefused(
            "a threshold needs held-out windows, got none: give more rows, raise [calibration] "
            "holdout, or lower [window] length"
        )
    codes = np.unique(normal.entity).tolist()
    apart = codes if per_entity and len(codes) > 1 else []
    own = {code: Reference.of(normal.score[normal.entity == code]) for code in apart}
    return Sample(held_out, normal, Reference.of(normal.score), own, timing)
