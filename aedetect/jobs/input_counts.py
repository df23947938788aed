"""What the rows of the input hold, counted batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Int64

if TYPE_CHECKING:
    from aedetect.data import Rows, Schema


@dataclass
class RowCounts:
    """What the rows hold, added up over batches. Shapes: F features, or those of a group."""

    rows: int = 0
    duplicates: int = 0
    early: int = 0  # rows with fewer earlier rows than a window needs
    infinite: Int64 = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # (F,)
    unknown: Int64 = field(default_factory=lambda: np.zeros(1, dtype=np.int64))  # (F,)
    names: list[str | None] = field(default_factory=list)  # of pieces: entities, cut by batches
    sizes: list[Int64] = field(default_factory=list)  # rows of each piece
    present: list[Int64] = field(default_factory=list)  # (pieces, F) cells with a value
    last: tuple[str | None, int, int] | None = None  # entity, time, position in its run


def count_batch(
    counts: RowCounts, batch: Rows, schema: Schema, texts: Bool, *, length: int
) -> None:
    """Add a batch to the counts."""
    repeated, starts, gaps = batch.duplicates, batch.starts, schema.max_gaps(batch)
    name, position = batch.names[batch.entity[0]], 0
    if counts.last is not None and counts.last[0] == name:
        step = int(batch.time[0]) - counts.last[1]
        repeated[0] = step == 0
        position = counts.last[2] + (step > 0) if step <= gaps[0] else 0
    place = _positions(batch.time, starts, repeated, gaps, first=position)
    counts.rows += len(batch)
    counts.duplicates += int(repeated.sum())
    counts.early += int((place[~repeated] < length - 1).sum())
    counts.infinite = counts.infinite + np.isinf(batch.values).sum(axis=0)
    counts.unknown = counts.unknown + ((batch.values == -1) & texts).sum(axis=0)
    first = np.flatnonzero(starts)
    counts.names += [batch.names[code] for code in batch.entity[first].tolist()]
    counts.sizes.append(np.diff(np.append(first, len(batch))))
    counts.present.append(np.add.reduceat(~np.isnan(batch.values), first, axis=0, dtype=np.int64))
    counts.last = (batch.names[batch.entity[-1]], int(batch.time[-1]), int(place[-1]))


def _positions(time: Int64, starts: Bool, repeated: Bool, max_gap: Int64, *, first: int) -> Int64:
    """Count the rows directly before each row, without a gap: (R,); the first row has `first`."""
    breaks = starts.copy()
    breaks[1:] |= np.diff(time) > max_gap[1:]
    rank = np.cumsum(~repeated)
    begin = np.where(breaks, rank, np.iinfo(np.int64).min)
    begin[0] = rank[0] - first
    return np.asarray(rank - np.maximum.accumulate(begin))


def by_entity(counts: RowCounts) -> RowCounts:
    """Return the counts with each entity once, in place of pieces cut by batches."""
    if not counts.names:
        return counts
    first = [
        index
        for index, name in enumerate(counts.names)
        if index == 0 or name != counts.names[index - 1]
    ]
    return replace(
        counts,
        names=[counts.names[index] for index in first],
        sizes=[np.add.reduceat(np.concatenate(counts.sizes), first)],
        present=[np.add.reduceat(np.concatenate(counts.present), first, axis=0)],
    )


def joined(groups: Sequence[RowCounts]) -> RowCounts:
    """Return the counts of all groups of columns: of rows from the first, of cells side by side."""
    return replace(
        groups[0],
        infinite=np.concatenate([each.infinite for each in groups]),
        unknown=np.concatenate([each.unknown for each in groups]),
        present=[np.hstack([each.present[0] for each in groups])],
    )
