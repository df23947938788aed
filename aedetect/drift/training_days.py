"""The training rows by entity and day, as counts: how far quiet days differ from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.data.memmap import batches_of
from aedetect.drift.binning import (
    BINS,
    WHOLE,
    binned,
    block_days,
    counted,
    least_rows,
    scaled_values,
    thinned,
)

if TYPE_CHECKING:
    from aedetect.data import Rows
    from aedetect.preprocessing import Preparation

_CELLS = 4_000_000
_DAY = 86_400_000_000_000  # ns
_Part = tuple[Int64, Int64, Int64, Int64]  # group (N,), day (N,), counts (N, F, BINS), rows (N,)


@dataclass(frozen=True)
class TrainingDays:
    """Training rows by entity and block of days, most often of one.

    Shapes: group (N,), counts (N, F, BINS), missing and rows (N, F).
    """

    group: Int64
    counts: Int64
    missing: Float64
    rows: Int64
    days: int
    least: int  # rows of a block that is judged

    @classmethod
    def of(cls, rows: Rows, preparation: Preparation, edges: Float64, period: int) -> TrainingDays:
        """Count batch by batch; a day cut by a batch is joined again."""
        found: list[_Part] = []
        kept = max(_CELLS // (edges.shape[0] * BINS), 1)
        seen: set[int] = set()
        length = block_days(period)
        for batch in batches_of(rows):
            part = batch.take(thinned(batch.time, period=period))
            if not len(part):
                continue
            entity = preparation.entity_codes(part)
            day = part.time // _DAY
            change = part.starts
            change[1:] |= day[1:] != day[:-1]
            seen.update(np.unique(day).tolist())
            group = np.cumsum(change) - 1
            first = np.flatnonzero(change)
            values = scaled_values(preparation, part, entity)
            counts = counted(binned(values, edges), group, groups=len(first))
            total = np.diff(np.append(first, len(part)))
            found.append((entity[first].astype(np.int64), day[first], counts, total))
            if sum(len(each[0]) for each in found) > kept:
                length *= 2  # a long table: longer blocks, so that memory stays bounded
                found = [_joined(found, length)]
        group, _, counts, total = _joined(found, length)
        missing = 1 - counts.sum(axis=2) / total[:, None]
        return cls(group, counts, missing, total, len(seen), least_rows(period))

    @property
    def complete(self) -> Int64:
        """How many rows a block of days has that counts as a whole one."""
        usual = np.median(self.rows) if len(self.rows) else 0
        return np.array(max(WHOLE * usual, self.least), dtype=np.int64)


def _joined(found: list[_Part], length: int) -> _Part:
    """Join neighbouring parts of one entity that belong to the same block of days."""
    group, day, counts, rows = (np.concatenate(each) for each in zip(*found, strict=True))
    block = day // length
    change = np.ones(len(group), dtype=np.bool_)
    change[1:] = (group[1:] != group[:-1]) | (block[1:] != block[:-1])
    first = np.flatnonzero(change)
    added = np.add.reduceat(counts, first, axis=0), np.add.reduceat(rows, first)
    return group[first], day[first], *added
