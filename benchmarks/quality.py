"""How well one detector does on the later rows of one data set: the measures of detection.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from incidents import count_false, cuts_within, met, peaks, stretches
from sklearn.metrics import average_precision_score
from volume import vus_pr

from aedetect.arrays import Bool, Float64, Int32, Int64, grouped_rows

BUDGETS = (1.0, 1 / 7)  # false events a day and entity
SELDOM = 0.99  # of the normal rows of an entity: above it a missed stretch is the threshold's loss
TOLERANCE = 100  # rows around a labelled stretch that VUS-PR averages over


@dataclass(frozen=True)
class Truth:
    """The later rows: label (R,), entity (R,), and the days of all entities together."""

    label: Bool
    entity: Int32
    days: float

    @property
    def stretches(self) -> Int64:
        """(S, 2), first and last row."""
        return stretches(self.label, self.entity)


@dataclass(frozen=True)
class Verdict:
    """What a detector says of the later rows that it can score, and what that took.

    Shapes: rows (N,) ascending; score (N,); threshold (N,); promised (N,), the share of normal rows
    that may be flagged.
    """

    rows: Int64
    score: Float64
    threshold: Float64
    promised: Float64
    training: float  # seconds, with calibration
    rate: float  # rows scored a second


@dataclass(frozen=True)
class Quality:
    """The measures, in the order of the table; shares of stretches and rows unless said."""

    vus_pr: float
    precision: float  # average precision
    met_a_day: float
    rows_a_day: float
    normal_a_day: float
    met_a_week: float
    rows_a_week: float
    met: float  # from here on: at the detector's own threshold
    rows: float
    false: float  # events a day and entity
    normal: float
    promised: float
    lost_by_threshold: float
    lost_by_model: float
    training: float  # seconds
    rate: float  # rows/s


def measure(verdict: Verdict, truth: Truth) -> Quality:
    """Compare a verdict with the labels. Rows that were not scored are not flagged."""
    score = np.full(len(truth.label), -np.inf)
    score[verdict.rows] = verdict.score
    flagged = np.zeros(len(score), dtype=np.bool_)
    flagged[verdict.rows] = verdict.score > verdict.threshold
    # Scores of different entities are compared in units of their thresholds.
    relative = np.full(len(score), -np.inf)
    relative[verdict.rows] = verdict.score / np.maximum(verdict.threshold, 1e-300)
    budgets = [budget * truth.days for budget in BUDGETS]
    cuts = cuts_within(relative, truth.label, truth.entity, budgets=budgets)
    day, week = (_found(relative >= cut, truth) for cut in cuts)
    own = _found(flagged, truth)
    by_threshold, by_model = _lost(score, flagged, truth)
    volume, precision = ranking(score, truth)
    normal = ~truth.label[verdict.rows]
    return Quality(
        vus_pr=volume,
        precision=precision,
        met_a_day=day[0],
        rows_a_day=day[1],
        normal_a_day=day[2],
        met_a_week=week[0],
        rows_a_week=week[1],
        met=own[0],
        rows=own[1],
        false=count_false(flagged, truth.label, truth.entity) / truth.days,
        normal=own[2],
        promised=float(verdict.promised[normal].mean()),
        lost_by_threshold=by_threshold,
        lost_by_model=by_model,
        training=verdict.training,
        rate=verdict.rate,
    )


def average(found: Sequence[Quality]) -> Quality:
    """Return the mean of each measure."""
    return Quality(*(float(np.mean([getattr(q, f.name) for q in found])) for f in fields(Quality)))


def ranking(score: Float64, truth: Truth) -> tuple[float, float]:
    """Return VUS-PR and average precision: means over the entities with labelled rows."""
    volumes, precisions = [], []
    scored = np.flatnonzero(score > -np.inf)
    for _, own in grouped_rows(truth.entity[scored]):
        rows = scored[own]
        label = truth.label[rows]
        if label.any():
            volumes.append(vus_pr(label, score[rows], window=TOLERANCE))
            precisions.append(average_precision_score(label, score[rows]))
    return float(np.mean(volumes)), float(np.mean(precisions))


def _found(flagged: Bool, truth: Truth) -> tuple[float, float, float]:
    """Return the shares of stretches met, of labelled rows and of normal rows flagged."""
    hit = met(flagged, truth.stretches)
    label = truth.label
    return float(hit.mean()), float(flagged[label].mean()), float(flagged[~label].mean())


def _lost(score: Float64, flagged: Bool, truth: Truth) -> tuple[float, float]:
    """Return the shares of stretches that are lost by the threshold, and by the model.

    By the threshold: the peak is above nearly all normal rows of the entity. A stretch without a
    scored row is lost by the model.
    """
    spans = truth.stretches
    usual = np.full(len(spans), np.inf)
    of = truth.entity[spans[:, 0]]
    normal = np.flatnonzero(~truth.label & (score > -np.inf))
    for code, own in grouped_rows(truth.entity[normal]):
        usual[of == code] = np.quantile(score[normal[own]], SELDOM)
    missed = ~met(flagged, spans)
    seldom = peaks(score, spans) > usual
    return float((missed & seldom).mean()), float((missed & ~seldom).mean())
