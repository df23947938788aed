"""Scores of the rows held out by time: the input of every calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Bool, Float32, Float64, Int32, Int64


@dataclass(frozen=True)
class HeldOut:
    """Scored rows that were not used for training, ordered by entity and time.

    Shapes: entity (n,) codes as in training; time (n,) in ns; score (n,); anomaly (n,) whether a
    row is labelled anomalous; suspect (n,) whether it is left out because it looks anomalous. Rows
    of either kind are not normal, and not used for p-values or promises. held (n,) whether an event
    goes on in a row, `[events] hold`; None: it does in none.
    """

    entity: Int32
    time: Int64
    score: Float32
    anomaly: Bool
    suspect: Bool
    held: Bool | None = None

    @classmethod
    def of(
        cls, score: npt.ArrayLike, *, entity: npt.ArrayLike = 0, time: npt.ArrayLike | None = None,
        anomaly: npt.ArrayLike = False,
    ) -> HeldOut:  # fmt: skip
        """Sort scores by entity and time; without `time`, rows are a minute apart."""
        scores = np.asarray(score, dtype=np.float32)
        count = len(scores)
        owner = np.broadcast_to(np.asarray(entity, dtype=np.int32), count)
        times = np.arange(count) * 60_000_000_000 if time is None else np.asarray(time)
        marked = np.broadcast_to(np.asarray(anomaly, dtype=np.bool_), count)
        order = np.lexsort((times, owner))
        kept = np.zeros(count, dtype=np.bool_)
        times = times[order].astype(np.int64)
        return cls(owner[order], times, scores[order], marked[order], kept)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.score)

    def take(self, chosen: Bool | Int64) -> HeldOut:
        """Return a subset of the rows."""
        return HeldOut(
            self.entity[chosen],
            self.time[chosen],
            self.score[chosen],
            self.anomaly[chosen],
            self.suspect[chosen],
            None if self.held is None else self.held[chosen],
        )

    def holding(self, above: Float64) -> HeldOut:
        """Return the rows, with events that go on in those above a score: (n,) -> rows."""
        return replace(self, held=self.score > above)

    def joined(self, other: HeldOut) -> HeldOut:
        """Return these rows and those of another sample, sorted."""
        return HeldOut.of(
            np.concatenate([self.score, other.score]),
            entity=np.concatenate([self.entity, other.entity]),
            time=np.concatenate([self.time, other.time]),
            anomaly=np.concatenate([self.anomaly, other.anomaly]),
        )

    @property
    def normal(self) -> HeldOut:
        """The rows that are neither labelled anomalous nor left out."""
        return self.take(~(self.anomaly | self.suspect))
