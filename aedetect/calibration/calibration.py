"""Held-out scores -> p-values and thresholds that keep a promise.

    tail.py            p-values beyond the largest held-out score
    conformal.py       p-value of a score, score at a p-value
    thresholds.py      promises by rank or tail: false_alarm_rate, quantile, pot
    alert_budget.py    promises about events: alert_budget
    fbeta.py           agreement with labels
    forecast.py        expected number of events
    feature_limits.py  limits of the residual of each column

A promise that the held-out rows cannot support is refused; the error states how many are needed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from aedetect.arrays import Float32, Float64, Int32, Int64, grouped_rows
from aedetect.calibration.alert_budget import alert_budget
from aedetect.calibration.conformal import Reference
from aedetect.calibration.fbeta import fbeta
from aedetect.calibration.forecast import Forecast, Timing, forecast, form_groups
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.settings import CalibrationSettings, ThresholdName, UnseenName
from aedetect.calibration.strength import step_below, steps_above, usual_strength
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
DEFAULT_TIMING = Timing(rules=EventRules(MINUTE), period=MINUTE, max_gap=MINUTE, length=1)


@dataclass(frozen=True)
class Group:
    """Scores, threshold and forecast of one entity, or of all entities pooled."""

    reference: Reference
    threshold: Threshold
    forecast: Forecast


@dataclass(frozen=True)
class Calibration:
    """Score distribution of the held-out rows, and the thresholds that it supports.

    `own` holds the entities with their own threshold; the others share the pooled one.
    Shapes: limits (max(E, 1), D), the largest normal |observed - expected| in model units.
    """

    reference: Reference  # scores of all entities pooled
    threshold: Threshold
    forecast: Forecast  # of the events of all entities
    own: Mapping[int, Group] = field(default_factory=dict)
    version: int = 1
    unseen: UnseenName = "refuse"
    held_out: HeldOut = field(default_factory=lambda: HeldOut.of([]))
    limits: Float32 = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    elsewhere: Mapping[str, float] = field(default_factory=dict)  # pooled threshold at other betas
    usual: float = 1.0  # what three of four held-out events stay below, the unit of strength

    @property
    def scores(self) -> Float32:
        """Held-out scores of all entities pooled, ascending: (n,)."""
        return self.reference.scores

    @property
    def scope(self) -> str:
        """State for what the promise holds: for each entity, or for several together."""
        codes = np.unique(self.held_out.normal.entity)
        rest = len(codes) - len(self.own)
        if not self.own:
            return f"for all {rest} entities together, not for each" if rest > 1 else ""
        most = max(group.threshold.rate for group in self.own.values())
        more = f", at most {most:.3%}" if most > self.threshold.rate * (1 + 1e-9) else ""
        others = f", and for the other {rest} together, not for each" if rest > 1 else ""
        if rest == 1:
            others = ", and for the other one by those of all"
        return f"for each of {len(self.own)} entities by its own held-out rows{more}{others}"

    def thresholds(self, entity: Int32) -> Float64:
        """Return the threshold for the entity of each row: (N,) -> (N,)."""
        values = np.full(len(entity), self.threshold.value)
        for chosen, own in self._groups(entity):
            values[chosen] = own.threshold.value
        return values

    def p_values(self, scores: Float32, entity: Int32) -> Float64:
        """Return p-values from the held-out scores of each row's entity: (N,), (N,) -> (N,)."""
        values = self.reference.p_values(scores)
        for chosen, own in self._groups(entity):
            values[chosen] = own.reference.p_values(scores[chosen])
        return values

    def scores_at(self, level: float, entity: Int32) -> Float64:
        """Return the score that normal rows exceed with a probability, by entity: (N,) -> (N,)."""
        values = np.full(len(entity), self.reference.score_at(level))
        for chosen, own in self._groups(entity):
            values[chosen] = own.reference.score_at(level)
        return values

    def strengths(self, scores: Float32, entity: Int32) -> Float64:
        """Return how far rows are above their threshold, in usual events: (N,), (N,) -> (N,)."""
        step = np.full(len(entity), step_below(self.reference, self.threshold))
        for chosen, own in self._groups(entity):
            step[chosen] = step_below(own.reference, own.threshold)
        return steps_above(scores, self.thresholds(entity), step) / self.usual

    def limits_of(self, entity: Int32) -> Float32:
        """Return the limit of |observed - expected| of each column: (N,) -> (N, D).

        Unseen entities (-1) get the widest limit of any entity.
        """
        widest = self.limits.max(axis=0, keepdims=True)
        return np.asarray(np.concatenate([self.limits, widest])[entity])

    def _groups(self, entity: Int32) -> Iterator[tuple[Int64, Group]]:
        if self.own:
            for code, chosen in grouped_rows(entity):
                if code in self.own:
                    yield chosen, self.own[code]


def fit_calibration(
    held_out: HeldOut,
    *,
    settings: CalibrationSettings,
    timing: Timing = DEFAULT_TIMING,
    per_entity: bool = True,
    version: int = 1,
    limits: Float32 | None = None,
) -> Calibration:
    """Choose thresholds as configured. Raises CalibrationRefused.

    Entities with enough rows get their own thresholds, unless all entities are scaled together
    (`per_entity` False), because then the entity of a new row is unknown.
    """
    sample = make_sample(held_out, timing=timing, per_entity=per_entity)
    choice = METHODS[settings.threshold](sample, settings)
    rows = sample.normal
    values = np.full(len(rows), choice.pooled.value)
    groups = {}
    beyond = 0.0
    for code, chosen in grouped_rows(rows.entity) if choice.own else ():
        threshold = choice.own.get(code)
        if threshold is None:
            continue
        values[chosen] = threshold.value
        groups[code] = _group(sample.own[code], threshold, rows.take(chosen), timing)
        beyond += _beyond(sample.own[code], threshold, len(sample.own[code]))
    shared = int((~np.isin(rows.entity, list(groups))).sum())
    beyond += _beyond(sample.pooled, choice.pooled, shared)
    in_all = forecast(rows, rows.score >= values, timing, together=True, beyond=beyond)
    made = Calibration(
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
    flagged = rows.score >= values
    above = np.where(flagged, made.strengths(rows.score, rows.entity), 0)
    events = form_groups(rows, flagged, timing.rules, timing.own)
    return replace(made, usual=usual_strength(above, *events))


def _group(reference: Reference, threshold: Threshold, rows: HeldOut, timing: Timing) -> Group:
    """Combine scores, threshold and forecast of one entity."""
    beyond = _beyond(reference, threshold, len(rows))
    flagged = rows.score >= threshold.value
    return Group(
        reference, threshold, forecast(rows, flagged, timing, together=False, beyond=beyond)
    )


def _beyond(reference: Reference, threshold: Threshold, rows: int) -> float:
    """Return the expected number of rows above a threshold that no held-out score reaches."""
    return rows * threshold.rate if threshold.value > reference.scores[-1] else 0.0


def log_calibration(calibration: Calibration) -> None:
    """Log the chosen threshold and the expected number of events."""
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


def make_sample(
    held_out: HeldOut, *, timing: Timing = DEFAULT_TIMING, per_entity: bool = True
) -> Sample:
    """Split the held-out rows for choosing thresholds: normal rows, pooled and per entity."""
    normal = held_out.normal
    if not len(normal):
        raise CalibrationRefused(
            "a threshold needs held-out windows, got none: give more rows, raise [calibration] "
            "holdout, or lower [window] length"
        )
    own, pooled = {}, Reference.of(normal.score)
    if per_entity and (normal.entity != normal.entity[0]).any():
        own = {code: Reference.of(normal.score[rows]) for code, rows in grouped_rows(normal.entity)}
    level = timing.rules.hold
    above = np.full(len(normal), pooled.score_at(level) if level else np.inf)
    for code, rows in grouped_rows(normal.entity) if level and own else ():
        if (len(rows) + 1) * level >= 1:
            above[rows] = own[code].score_at(level)
    return Sample(held_out, normal.holding(above), pooled, own, timing)
