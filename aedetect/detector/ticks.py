"""Time in parts of the sampling period, so that a mean can reach a stated time back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Int64

if TYPE_CHECKING:
    from aedetect.data import Rows, Schema

TICKS = 1_000  # of a period
APART = 1_000  # periods that lie between the rows of two entities at least, a multiple of GRID
GRID = 8  # periods; every entity begins at a multiple of it
_SHORTEST = 1_000  # ns of a tick, so that ticks of any time range fit into 64 bits


def tick_length(period: Int64 | int) -> Int64:
    """Return how long a tick is at a sampling period: (E,) in ns -> (E,) in ns."""
    return np.maximum(np.asarray(period, dtype=np.int64) // TICKS, _SHORTEST)


def ticks_of(rows: Rows, schema: Schema) -> Int64:
    """Return the time of rows in ticks of their entity's period: (R,), ascending over all rows.

    Rows of two entities are at least `APART` periods apart, so that one search over all rows finds
    those of a row's own entity. Modulo `GRID` periods, ticks depend on the row's own time alone,
    and not on the rows beside it.
    """
    tick = np.asarray(rows.time) // tick_length(schema.spread(rows.names, "period"))[rows.entity]
    first = np.flatnonzero(rows.starts)
    if not len(first):
        return tick
    size = np.diff(np.append(first, len(rows)))
    block = GRID * TICKS
    low = tick[first] // block * block
    length = -((low - tick[first + size - 1]) // block) * block + APART * TICKS
    begin = np.concatenate([[0], np.cumsum(length)[:-1]])
    return np.asarray(tick + np.repeat(begin - low, size))
