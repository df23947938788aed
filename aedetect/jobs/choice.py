"""Choose the variant of the network and what shapes weigh, by segments injected in held-out rows.

Every candidate is trained, and its scores of the same injected rows are compared, see
`aedetect.evaluation.injected_segments`; where held-out rows are labelled, also its scores of these.
What was measured on labelled data stands in docs/internals/detection-log.md.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector import Scorer, Series
from aedetect.detector.altered import ScoredSeries
from aedetect.evaluation.injected_segments import KINDS, HeldOutSeries, inject_segments
from aedetect.evaluation.ranking import precision_of_flags
from aedetect.logs import log_event

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Float64, Int32, Int64
    from aedetect.models.settings import VariantName

logger = logging.getLogger(__name__)

WEIGHTS = (0.0, 1.0, 2.0)  # of the distance from typical shapes
MARGIN = 0.01  # of average precision, by which another candidate must be better than the first
STRETCHES = 8  # labelled ones that weigh as much as the injected segments
_ROWS = 30_000  # held-out rows at most
_FEW, _BEFORE = 40, 800  # rows of an entity at least; rows before them, which scores look back at
_FEWEST = 200  # rows of an entity at most, whatever the number of entities
_INJECTED_ROWS, _REPEATS = 6_000, 4  # so many rows are injected into, or repeats made
_LEARNT = 2_000  # rows of an entity for its standard deviations


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What speaks for a candidate."""

    variant: VariantName
    shapes: float  # weight of the distance from typical shapes
    kinds: Mapping[str, float]  # average precision of injected rows, mean over entities, by kind
    drift: float  # ratio of the 99 % point of the later half of held-out scores to the first's
    labelled: float | None = None  # average precision of labelled rows, mean over entities
    stretches: int = 0  # runs of labelled rows

    @property
    def injected(self) -> float:
        """The mean over the kinds."""
        return float(np.mean(list(self.kinds.values())))

    @property
    def merit(self) -> float:
        """What is compared: the more stretches are labelled, the more they weigh."""
        if self.labelled is None:
            return self.injected
        share = self.stretches / (self.stretches + STRETCHES)
        return (1 - share) * self.injected + share * self.labelled


@dataclass(frozen=True)
class Trial:
    """Held-out rows to inject into: a part of a series (R,), and which rows are scored (R,)."""

    series: Series
    asked: Bool
    held_out: HeldOutSeries

    @property
    def repeats(self) -> int:
        """How often each kind is injected: more often among few rows."""
        return int(np.clip(-(-_INJECTED_ROWS // int(self.asked.sum())), 1, _REPEATS))


def prepare_trial(
    series: Series, entity: Int32, *, learn: Int64, held_out: Int64, columns: Int64
) -> Trial | None:
    """Take held-out rows of the entities, and those before; None when all have too few.

    Shapes: entity (R,) ascending; learn (L,) and held_out (N,) are rows; columns (C,) may be
    altered.
    """
    chosen = _spread(entity[held_out], held_out)
    if not chosen or not len(columns):
        return None
    keep, asked = (np.zeros(len(series.back), dtype=np.bool_) for _ in range(2))
    stds = []
    for one, rows in chosen:
        asked[rows] = True
        begin = max(int(np.searchsorted(entity, one)), int(rows[0]) - _BEFORE)
        keep[begin : int(rows[-1]) + 1] = True
        learnt = learn[slice(*np.searchsorted(entity[learn], [one, one + 1]))]
        learnt = learnt[:: max(1, len(learnt) // _LEARNT)]
        cells = series.matrix[learnt, : series.observed.shape[1]]
        stds.append(cells.std(axis=0, dtype=np.float64) if len(cells) else np.zeros(cells.shape[1]))
    place = np.flatnonzero(keep)
    part = _part(series, place)
    runs = [tuple(np.searchsorted(place, [rows[0], rows[-1] + 1]).tolist()) for _, rows in chosen]
    held = HeldOutSeries(part.matrix[:, : part.observed.shape[1]], runs, columns, np.array(stds))
    return Trial(part, asked[place], held)


def evidence_of(
    scorer: Scorer, trial: Trial, *, variant: VariantName, weights: Sequence[float], seed: int
) -> list[Evidence]:
    """Score the injected rows of every kind, with each weight of the shapes."""
    plain = ScoredSeries.of(scorer, trial.series, trial.asked)
    kinds, drift = _precisions(plain, trial, weights, seed), _drifts(plain, trial, weights)
    return [
        Evidence(
            variant=variant,
            shapes=weight,
            kinds={kind: float(each[place]) for kind, each in kinds.items()},
            drift=drift[place],
        )
        for place, weight in enumerate(weights)
    ]


def log_candidate(found: Evidence) -> None:
    """Log what speaks for a candidate."""
    worst = min(found.kinds, key=lambda kind: found.kinds[kind])
    log_event(
        logger,
        "candidate",
        variant=found.variant,
        shapes=found.shapes,
        injected=found.injected,
        drift=found.drift,
        worst=worst,
        least=found.kinds[worst],
        labels=""
        if found.labelled is None
        else f"; {found.labelled:.3f} on {found.stretches} labelled stretches",
    )


def choose(found: Sequence[Evidence]) -> int:
    """Return the index of the best: the first unless another is better by MARGIN."""
    best = int(np.argmax([each.merit for each in found]))
    chosen = best if found[best].merit > found[0].merit + MARGIN else 0
    others = [each.merit for place, each in enumerate(found) if place != chosen]
    log_event(
        logger,
        "chosen",
        variant=found[chosen].variant,
        shapes=found[chosen].shapes,
        lead=found[chosen].merit - max(others, default=found[chosen].merit),
        why=_why(found[chosen]) if chosen else "no other is better by more than the margin",
    )
    return chosen


def _why(chosen: Evidence) -> str:
    labels = "" if chosen.labelled is None else " and labelled rows"
    return f"by injected segments{labels}"


def _spread(owner: Int32, held_out: Int64) -> list[tuple[int, Int64]]:
    """Return the first held-out rows of some entities, evenly spread."""
    entities, first, count = np.unique(owner, return_index=True, return_counts=True)
    enough = np.flatnonzero(count >= _FEW)
    enough = enough[:: max(1, -(-len(enough) * _FEWEST // _ROWS))]
    most = max(_FEWEST, _ROWS // max(len(enough), 1))
    return [
        (int(entities[k]), held_out[first[k] : first[k] + min(int(count[k]), most)]) for k in enough
    ]


def _part(series: Series, place: Int64) -> Series:
    """Return some rows of a series; what is before the first of them is not there any more."""
    begins = np.append(True, np.diff(place) != 1)
    rank = np.arange(len(place))
    there = rank - np.maximum.accumulate(np.where(begins, rank, 0))
    return replace(
        series,
        matrix=np.ascontiguousarray(series.matrix[place]),
        observed=series.observed[place],
        entity=series.entity[place],
        back=np.minimum(series.back[place], there),
        valid=series.valid[place],
        tick=series.tick[place],
    )


def _precisions(
    plain: ScoredSeries, trial: Trial, weights: Sequence[float], seed: int
) -> dict[str, Float64]:
    """Return the mean average precision of injected rows by kind, for each weight: (W,)."""
    numbers = dict(enumerate(KINDS))
    planned = list(product(numbers, range(trial.repeats)))
    copies = (
        inject_segments(trial.held_out, numbers[number], seed=(seed, number, repeat))
        for number, repeat in planned
    )
    found: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    scored = plain.scores_of(copies, weights)
    for (number, _), (changed, scores) in zip(planned, scored, strict=True):
        each = [_precision(plain, trial, changed, score) for score in scores]
        found[numbers[number]].append(each)
    return {kind: np.mean(each, axis=0) for kind, each in found.items()}


def _precision(plain: ScoredSeries, trial: Trial, changed: Bool, score: Float32) -> float:
    """Return the mean average precision of changed rows over the series with any."""
    parts = [slice(*np.searchsorted(plain.rows, run)) for run in trial.held_out.runs]
    parts = [own for own in parts if changed[plain.rows[own]].any()]
    each = [precision_of_flags(changed[plain.rows[own]], score[own]) for own in parts]
    return float(np.mean(each)) if each else 0.0


def _drifts(plain: ScoredSeries, trial: Trial, weights: Sequence[float]) -> list[float]:
    """Return how much higher the tail of the later half of held-out scores is, the median ratio."""
    parts = [slice(*np.searchsorted(plain.rows, run)) for run in trial.held_out.runs]
    return [_drift([score[own] for own in parts]) for score in plain.scores(weights)]


def _drift(scores: Sequence[Float32]) -> float:
    ratios = []
    for own in scores:
        if len(own) > 1:
            low, high = (float(np.quantile(half, 0.99)) for half in np.array_split(own, 2))
            ratios.append(high / max(low, 1e-9))
    return float(np.median(ratios)) if ratios else 1.0
