"""The thresholds of all entities at a p-value level, and the events that they leave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.forecast import reported
from aedetect.calibration.shared_tails import MIN_ROWS, SharedTails, fit_shared_tails
from aedetect.calibration.stretches import SortedScores

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64
    from aedetect.calibration.forecast import Timing
    from aedetect.calibration.held_out import HeldOut

SLACK = 1e-9  # of a rank, for rounding


@dataclass(frozen=True)
class Levels:
    """Normal held-out rows, their scores sorted by entity, and the tails beyond."""

    rows: HeldOut
    ordered: SortedScores
    tails: SharedTails
    timing: Timing

    @classmethod
    def of(cls, rows: HeldOut, timing: Timing) -> Levels:
        """Sort the scores and fit the tails."""
        ordered = SortedScores.of(rows)
        return cls(rows, ordered, fit_shared_tails(rows, ordered, timing), timing)

    @property
    def entities(self) -> int:
        """Number of entities."""
        return len(self.ordered.count)

    def of_rank(self, level: Float64 | float) -> Bool:
        """Whether the rows of an entity resolve a level, without a tail: (E,)."""
        return np.asarray((self.ordered.count + 1) * level >= 1 - SLACK)

    def is_own(self, level: Float64 | float) -> Bool:
        """Whose threshold at a level is that of its own scores: (E,)."""
        return self.of_rank(level) | (self.ordered.count >= MIN_ROWS)

    def scores_at(self, level: Float64 | float) -> Float64:
        """Return the threshold of each entity at a level, by rank or by the tail: (E,).

        As `Reference.score_at`, for all entities at once.
        """
        above = np.floor((self.ordered.count + 1) * level + SLACK).astype(np.int64)
        ranked = self.ordered.with_above(np.maximum(above, 1))
        beyond = np.maximum(ranked, self.tails.scores_at(level))
        return np.where(above >= 1, ranked, beyond)

    def above(self, level: float) -> Levels:
        """Return the same with only the rows that count up to a level: flagged ones, held ones."""
        chosen = self.rows.score >= self.scores_at(level)[self.rows.entity]
        if self.rows.held is not None:
            chosen |= self.rows.held
        return replace(self, rows=self.rows.take(chosen))

    def events(self, value: Float64) -> Float64:
        """Count the reported events at or above the threshold of each entity: (E,) -> (E,).

        Rows at the threshold count, because the threshold is one of these scores: a new row lies
        above it as often as one of them lies at or above it. Counting only the rows above would
        promise one event too few, as in Angelopoulos et al.: Conformal risk control (2022),
        equation 4.
        """
        rows = self.rows
        flagged = rows.score >= value[rows.entity]
        first = reported(rows, flagged, self.timing.rules, self.timing.own)
        return np.bincount(rows.entity[first], minlength=self.entities).astype(np.float64)

    def expected_events(self, level: Float64 | float, value: Float64) -> Float64:
        """Count events at thresholds; beyond the largest score, expect them by the tail: (E,).

        The tail gives a share of rows, and as many rows to an event as above its start.
        """
        rows = self.ordered.count * level * self.tails.per_row
        beyond = value > self.ordered.with_above(np.ones(self.entities, dtype=np.int64))
        return np.where(beyond & np.isfinite(value), rows, self.events(value))
