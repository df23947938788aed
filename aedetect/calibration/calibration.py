"""Held-out scores -> p-values and thresholds that keep a promise.

A promise that the held-out rows cannot support is refused; the error states how many are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from aedetect.arrays import Float32, Float64, Int32, Int64, grouped_rows
from aedetect.calibration import thresholds as ranks
from aedetect.calibration.accepted_rules import AcceptedRule
from aedetect.calibration.alert_budget import alert_budget
from aedetect.calibration.candidates import CANDIDATES, candidates
from aedetect.calibration.conformal import Reference
from aedetect.calibration.fbeta import fbeta
from aedetect.calibration.forecast import (
    Forecast,
    Timing,
    covered,
    days,
    forecast,
    form_groups,
    reported,
)
from aedetect.calibration.groups import Group, make_group, rows_beyond
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.outliers import LeftOut, count_left_out
from aedetect.calibration.promise import Promise, make_promise
from aedetect.calibration.sample import Sample, make_sample
from aedetect.calibration.settings import CalibrationSettings, ThresholdName, UnseenName
from aedetect.calibration.strength import step_below, steps_above, usual_strength
from aedetect.calibration.thresholds import Choice, Threshold
from aedetect.errors import CalibrationRefused
from aedetect.events import EventRules
from aedetect.timestamps import NANOSECONDS
from aedetect.wording import percent

METHODS: dict[ThresholdName, Callable[[Sample, CalibrationSettings], Choice]] = {
    "alert_budget": alert_budget,
    "false_alarm_rate": ranks.by_reference(ranks.false_alarm_rate),
    "quantile": ranks.by_reference(ranks.quantile),
    "pot": ranks.by_reference(ranks.pot),
    "fbeta": fbeta,
    "precision": candidates,
}

MINUTE = NANOSECONDS["min"]
DEFAULT_TIMING = Timing(rules=EventRules(MINUTE), period=MINUTE, max_gap=MINUTE, length=1)


@dataclass(frozen=True)
class Calibration:
    """Score distribution of the held-out rows, and the thresholds that it supports.

    `own` holds the entities with their own threshold; the others share the pooled one.
    Shapes: limits (max(E, 1), D), the largest normal |observed - expected| in model units.
    """

    reference: Reference  # scores of all entities pooled
    threshold: Threshold
    forecast: Forecast  # of the events of all entities
    promise: Promise  # as far as the evidence goes
    own: Mapping[int, Group] = field(default_factory=dict)
    version: int = 1
    unseen: UnseenName = "refuse"
    held_out: HeldOut = field(default_factory=lambda: HeldOut.of([]))
    limits: Float32 = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    elsewhere: Mapping[str, float] = field(default_factory=dict)  # pooled threshold at other betas
    left_out: LeftOut = field(default_factory=LeftOut)
    fallback: str = ""  # why the default budget was not taken
    since: int | None = None  # ns, of a renewal: since when it is in force
    accepted: tuple[AcceptedRule, ...] = ()  # of a renewal: column rules that flag nothing
    usual: float = 1.0  # what three of four held-out events stay below, the unit of strength
    longest: int = 0  # ns, of an event on held-out rows

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
        more = f", at most {percent(most)}" if most > self.threshold.rate * (1 + 1e-9) else ""
        others = f", and for the other {rest} together, not for each" if rest > 1 else ""
        if rest == 1:
            others = ", and for the other one by those of all"
        return f"for each of {len(self.own)} entities by its own held-out rows{more}{others}"

    @property
    def notes(self) -> tuple[str, ...]:
        """State what the promise assumes; `promise` itself says what speaks against it."""
        fallback = f"a rate in rows, because {self.fallback}" if self.fallback else ""
        chosen = CANDIDATES if self.threshold.method == "precision" else ""
        return tuple(filter(None, (chosen, fallback, self.left_out.text)))

    def thresholds(self, entity: Int32) -> Float64:
        """Return the threshold for the entity of each row: (N,) -> (N,)."""
        values = np.full(len(entity), self.threshold.value)
        for chosen, own in self._groups(entity):
            values[chosen] = own.threshold.value
        return values

    def p_values(self, scores: Float32, entity: Int32) -> Float64:
        """Return p-values from the held-out scores of each row's entity: (N,), (N,) -> (N,)."""
        values = np.full(len(scores), np.nan)
        for chosen, own in self._groups(entity):
            values[chosen] = own.reference.p_values(scores[chosen])
        if (rest := np.isnan(values)).any():
            values[rest] = self.reference.p_values(scores[rest])
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
    trim: float = 0.0,
    learnt: float | None = None,
) -> Calibration:
    """Choose thresholds as configured. Raises CalibrationRefused.

    Entities with enough rows get their own thresholds, unless all entities are scaled together
    (`per_entity` False), because then the entity of a new row is unknown. `trim` is the share of
    training rows that were left out as suspect: as many held-out rows may be. `learnt` is the
    drift from the learnt part, see `trust.learnt_drift`.
    """
    labelled = settings.method == "fbeta"  # then labels tell what is anomalous
    share = 0.0 if labelled else max(settings.leave_out, trim if settings.leave_out else 0.0)
    sample = make_sample(held_out, timing=timing, per_entity=per_entity, leave_out=share)
    choice = _choose(sample, settings)
    rows = sample.normal
    values = np.full(len(rows), choice.pooled.value)
    rates = np.full(len(rows), choice.pooled.rate)
    groups = {}
    beyond = 0.0
    for code, chosen in grouped_rows(rows.entity) if choice.own else ():
        threshold = choice.own.get(code)
        if threshold is None:
            continue
        values[chosen], rates[chosen] = threshold.value, threshold.rate
        groups[code] = make_group(sample.own[code], threshold, rows.take(chosen), timing)
        beyond += rows_beyond(sample.own[code], threshold, len(sample.own[code]))
    shared = int((~np.isin(rows.entity, list(groups))).sum())
    beyond += rows_beyond(sample.pooled, choice.pooled, shared)
    flagged = rows.score >= values
    share, mean = choice.pooled.rate, float(rates.mean())
    made = Calibration(
        reference=sample.pooled,
        threshold=choice.pooled,
        forecast=forecast(rows, flagged, timing, together=True, beyond=beyond),
        promise=make_promise(rows, flagged, share=share, mean=mean, learnt=learnt),
        own=groups,
        version=version,
        unseen=settings.unseen,
        held_out=sample.held_out,
        limits=np.zeros((1, 0), np.float32) if limits is None else limits,
        elsewhere=choice.elsewhere,
        left_out=_left_out(sample.held_out, choice, timing),
        fallback=choice.fallback,
    )
    above = np.where(flagged, made.strengths(rows.score, rows.entity), 0)
    first, last = form_groups(rows, flagged, timing.rules, timing.own)
    longest = int((rows.time[last] - rows.time[first]).max(initial=0))
    return replace(made, usual=usual_strength(above, first, last), longest=longest)


def _choose(sample: Sample, settings: CalibrationSettings) -> Choice:
    """Choose thresholds; by the rate in rows where the default budget has no support."""
    try:
        return METHODS[settings.method](sample, settings)
    except CalibrationRefused as error:
        if not settings.is_default:
            raise
        return replace(METHODS["false_alarm_rate"](sample, settings), fallback=str(error))


def _left_out(held_out: HeldOut, choice: Choice, timing: Timing) -> LeftOut:
    """Describe the rows that were left out, and the events to expect with them."""
    suspect = held_out.suspect
    if not suspect.any():
        return LeftOut()
    rows = held_out.take(~held_out.anomaly)
    values = np.full(int(rows.entity.max()) + 1, choice.pooled.value)
    for code, threshold in choice.own.items():
        values[code] = threshold.value
    first = reported(rows, rows.score >= values[rows.entity], timing.rules, timing.own)
    per_day = len(first) / max(days(covered(rows, timing, together=True)), 1e-12)
    return count_left_out(held_out, timing, per_day=per_day)
