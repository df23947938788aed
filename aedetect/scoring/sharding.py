"""Which partitions are divided into shards, and by which entities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data import open_engine
from aedetect.data.reader import WHOLE_CELLS, reading
from aedetect.data.sources import touched
from aedetect.data.sql import EntityRange, select_counts
from aedetect.errors import DataError, OutputError, UnreadableFile
from aedetect.output.filesystem import is_remote
from aedetect.scoring.loaded import cached_outline
from aedetect.scoring.partition_rows import query_of
from aedetect.scoring.shards import Shard

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.scoring.loaded import Model
    from aedetect.scoring.plan import Unit

# Of a shard at least: about two seconds of a thread, to which dividing adds a fraction of one.
_FEWEST_CELLS = 2 * WHOLE_CELLS
# Every shard reads all rows of the partition, which costs 3 % of the time to score them.
_MOST_SHARDS = 8
_ENGINE_MB = 128


def shards_wanted(units: Sequence[Unit], model: Model, output: Path, *, cores: int) -> list[int]:
    """Return in how many shards each unit is divided, 1 for not at all.

    One is divided if it has more rows than each core has to compute: else the cores are busy
    without that. With output on object storage none is: there is no folder for the shards that all
    workers see.
    """
    schema = cached_outline(model.folder).schema
    rows = [unit.expected or 0 for unit in units]
    if schema.entity is None or cores == 1 or is_remote(output):
        return [1] * len(units)
    fewest = _FEWEST_CELLS // (len(schema.names) + 4)
    share = max(sum(rows) // cores, fewest)
    most = min(_MOST_SHARDS, cores)
    return [
        min(round(each / share), most) if each >= max(2 * fewest, share) else 1 for each in rows
    ]


def divide_unit(
    unit: Unit, model: Model, *, shards: int, place: Path, scratch: Path
) -> tuple[Shard, ...]:
    """Divide a unit into shards of about equal numbers of rows; none if it cannot be divided."""
    query = query_of([unit], cached_outline(model.folder))
    files = touched(unit.files, unit.inputs)
    try:
        opened = open_engine(memory_mb=_ENGINE_MB, scratch=scratch, files=files)
        with reading(files), opened as engine:
            found = engine.sql(select_counts(query)).to_arrow_table()
    except (UnreadableFile, DataError, OutputError):  # computing it says what is wrong
        return ()
    names: list[str | None] = found.column("_entity").to_pylist()
    ranges = _ranges(names, found.column("_rows").to_numpy(), shards)
    return tuple(Shard(unit, each, place) for each in ranges) if len(ranges) > 1 else ()


def _ranges(names: Sequence[str | None], rows: Int64, shards: int) -> list[EntityRange]:
    """Cut entities, which are in order, into ranges with about equal numbers of rows.

    >>> cut = _ranges(["a", "b", "c", None], np.array([5, 1, 4, 2]), 2)
    >>> [(each.low, each.high, each.rows) for each in cut]
    [(None, 'c', 6), ('c', None, 6)]
    """
    before = np.cumsum(rows) - rows
    place = (before + rows / 2) * shards // max(int(rows.sum()), 1)
    # Rows without an entity are of the last range; SQL has no text with a zero in it.
    cuts = [
        each
        for each in (np.flatnonzero(np.diff(place)) + 1).tolist()
        if names[each] is not None and "\0" not in str(names[each])
    ]
    edges: list[str | None] = [None, *(names[each] for each in cuts), None]
    sums = np.add.reduceat(rows, [0, *cuts]).tolist() if len(rows) else []
    return [
        EntityRange(low=low, high=high, rows=count)
        for low, high, count in zip(edges, edges[1:], sums, strict=False)
    ]
