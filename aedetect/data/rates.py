"""The sampling of an entity: its period, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aedetect.arrays import Int32, Int64

MAX_GAP_PERIODS = 5
MISSING_LIMIT_PERIODS = 10


class OfEntities(Protocol):
    """Rows of entities: entity (R,) index into the names."""

    @property
    def names(self) -> Sequence[str | None]:
        """The names."""

    @property
    def entity(self) -> Int32:
        """The entity of each row."""


@dataclass(frozen=True)
class Rate:
    """The sampling of an entity that differs from that of all together, in ns."""

    entity: str | None
    period: int  # between rows
    max_gap: int  # longest step inside a window
    missing_limit: int  # how long a value is filled forward


@dataclass(frozen=True, kw_only=True)
class RateSettings:
    """What is set for all entities, in ns; None: learnt."""

    period: int | None = None
    max_gap: int | None = None
    missing_limit: int | None = None

    def rate(self, entity: str | None, period: int) -> Rate:
        """Return the sampling of an entity with a period."""
        return Rate(
            entity,
            period,
            self.max_gap or MAX_GAP_PERIODS * period,
            self.missing_limit or MISSING_LIMIT_PERIODS * period,
        )


def spread(rates: Iterable[Rate], names: Sequence[str | None], of: str, *, default: int) -> Int64:
    """Return a property of some entities, by name: (E,)."""
    own = {each.entity: getattr(each, of) for each in rates}
    if not own:
        return np.full(len(names), default, dtype=np.int64)
    return np.array([own.get(name, default) for name in names], dtype=np.int64)
