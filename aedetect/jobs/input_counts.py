"""What the rows of the input hold, counted batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Bool, Int64
from aedetect.preprocessing import positions
from aedetect.preprocessing.windows import surrounded

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


def count_rows(batches: Iterable[Rows], schema: Schema, texts: Bool, *, length: int) -> RowCounts:
    """Count what ordered rows hold, each entity once; texts (F,) marks columns of categories."""
    counts = RowCounts()
    for rows, turn in surrounded(batches, lookback=length * schema.longest_gap):
        repeated = rows.duplicates
        alone = rows.take(~repeated)
        back = positions(
            alone.time,
            starts=alone.starts,
            usable=np.ones(len(alone), dtype=np.bool_),
            max_gap=schema.max_gaps(alone),
        )
        current = np.zeros(len(rows), dtype=np.bool_)
        current[turn] = True
        counts.rows += turn.stop - turn.start
        counts.duplicates += int(repeated[turn].sum())
        counts.early += int((back[current[~repeated]] < length - 1).sum())
        _count_cells(counts, rows.take(turn), texts)
    return _by_entity(counts)


def _count_cells(counts: RowCounts, rows: Rows, texts: Bool) -> None:
    """Add the cells of some rows to the counts."""
    counts.infinite = counts.infinite + np.isinf(rows.values).sum(axis=0)
    counts.unknown = counts.unknown + ((rows.values == -1) & texts).sum(axis=0)
    first = np.flatnonzero(rows.starts)
    counts.names += [rows.names[code] for code in rows.entity[first].tolist()]
    counts.sizes.append(np.diff(np.append(first, len(rows))))
    counts.present.append(np.add.reduceat(~np.isnan(rows.values), first, axis=0, dtype=np.int64))


def _by_entity(counts: RowCounts) -> RowCounts:
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
