"""Ordered rows in memory, or mapped from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Ordered rows: entities one after another, time ascending within each.

    Shapes: time (R,) in ns since 1970; entity (R,) index into `names`; values (R, C): a missing
    cell is NaN, a category its index in the feature's categories, or -1 if unknown.
    """

    time: Int64
    entity: Int32
    names: tuple[str | None, ...]
    values: Float64

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)

    def take(self, chosen: slice | Bool | Int64) -> Rows:
        """Return some of the rows; a slice does not copy."""
        return Rows(
            time=self.time[chosen],
            entity=self.entity[chosen],
            names=self.names,
            values=self.values[chosen],
        )

    @property
    def starts(self) -> Bool:
        """(R,) whether a row is the first of its entity."""
        first = np.ones(len(self), dtype=np.bool_)
        first[1:] = self.entity[1:] != self.entity[:-1]
        return first

    @property
    def duplicates(self) -> Bool:
        """(R,) whether a row repeats the entity and time of the row before it."""
        same = np.zeros(len(self), dtype=np.bool_)
        same[1:] = (self.time[1:] == self.time[:-1]) & (self.entity[1:] == self.entity[:-1])
        return same


def concatenated(parts: Sequence[Rows]) -> Rows:
    """Return rows that follow each other as one; an entity may go on from one to the next."""
    if len(parts) == 1:
        return parts[0]
    names: list[str | None] = []
    codes: list[Int32] = []
    for part in (each for each in parts if len(each)):
        own, first = part.entity + np.int32(len(names)), part.entity[0]
        if codes and names[codes[-1][-1]] == part.names[first]:
            own[part.entity == first] = codes[-1][-1]
        codes.append(own)
        names += part.names
    return Rows(
        time=np.concatenate([each.time for each in parts]),
        entity=np.concatenate(codes),
        names=tuple(names),
        values=np.concatenate([each.values for each in parts]),
    )
