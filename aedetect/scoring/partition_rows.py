"""The rows of neighbouring partitions, read once, with those that affect them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data import Query, Rows, open_engine, read_rows
from aedetect.data.plain_files import is_plain, read_plain
from aedetect.data.sql import EntityRange
from aedetect.preprocessing.windows import surrounded

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Int64
    from aedetect.detector import Outline, Scorer
    from aedetect.scoring.plan import Unit

_ENGINE_MB = 128  # memory of DuckDB for each concurrent group; it sorts on disk beyond it


def places_of(units: Sequence[Unit], time: Int64) -> Int64:
    """Return the number of the unit that holds each time, -1 for none: (R,) -> (R,)."""
    start, end = np.array([unit.bounds for unit in units], dtype=np.int64).T
    place = np.searchsorted(start, time, side="right") - 1
    return np.where((place >= 0) & (time < end[place]), place, -1)


def query_of(
    units: Sequence[Unit], detector: Scorer | Outline, entities: EntityRange | None = None
) -> Query:
    """Query the rows of neighbouring partitions and those that affect them."""
    return Query.of(
        detector.schema,
        list({file.name: file for unit in units for file in unit.files}.values()),
        start=units[0].bounds[0] - detector.lookback,
        end=units[-1].bounds[1] + detector.lookahead,
        entities=entities,
    )


def rows_of(
    units: Sequence[Unit], scorer: Scorer, folder: Path, entities: EntityRange | None = None
) -> Iterator[tuple[Rows, Bool]]:
    """Yield rows with their context, and a mask of the partitions' own current rows."""
    lookback, lookahead = scorer.lookback, scorer.lookahead
    query = query_of(units, scorer, entities)
    with ExitStack() as opened:
        if is_plain(query):
            batches = read_plain(query)
        else:
            engine = open_engine(memory_mb=_ENGINE_MB, scratch=folder, files=query.files)
            batches = read_rows(opened.enter_context(engine), query)
        for rows, turn in surrounded(batches, lookback=lookback, lookahead=lookahead):
            wanted = np.zeros(len(rows), dtype=np.bool_)
            wanted[turn] = places_of(units, rows.time[turn]) >= 0
            if wanted.any():
                yield rows, wanted
