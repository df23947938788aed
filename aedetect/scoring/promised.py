"""What a calibration promises, by the names of the entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.calibration import Calibration, Forecast
    from aedetect.calibration.promise import Promise


@dataclass(frozen=True)
class Promises:
    """What a calibration promises: of entities with their own threshold, by name, and of all."""

    evidence: Promise  # of the share of rows of entities without their own threshold
    shares: Mapping[str | None, float]
    events: Mapping[str | None, float]  # a day, of each entity: upper bounds
    events_together: float

    @classmethod
    def of(cls, calibration: Calibration, entities: Sequence[str | None]) -> Promises:
        """Collect them; `entities` are the names by their code."""
        own = {entities[code]: g for code, g in calibration.own.items() if code < len(entities)}
        shares = {name: group.threshold.rate for name, group in own.items()}
        events = {name: _most(group.forecast) for name, group in own.items()}
        return cls(calibration.promise, shares, events, calibration.forecast.high)

    def share_of(self, name: str | None) -> float:
        """Return the share of an entity's normal rows flagged at most."""
        return self.shares.get(name, self.evidence.share)

    def mean(self, rows: Mapping[str | None, float], total: int) -> float:
        """Return the share of all rows flagged at most, from the rows of entities that are known.

        The other rows are taken as those of the mean entity.
        """
        known = sum(rows.values())
        kept = sum(count * self.share_of(name) for name, count in rows.items())
        usual = float(np.mean(list(self.shares.values()) or [self.evidence.share]))
        return (kept + max(total - known, 0.0) * usual) / max(total, 1)


def _most(found: Forecast) -> float:
    return max(found.high, found.per_day)
