"""Split rows into learn, validate and calibrate parts, by time per entity, never shuffled."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from aedetect.arrays import Int8
from aedetect.data import Rows

VALIDATE_SHARE = 0.1  # of the rows that are not held out: enough for early stopping
GAP_SHARE = 0.02  # of an entity's rows, at most, left out between two parts


class Part(IntEnum):
    """The part that a row belongs to."""

    GAP = -1  # unused: separates two parts
    LEARN = 0
    VALIDATE = 1
    CALIBRATE = 2


def split_by_time(rows: Rows, *, holdout: float, gap: int) -> Int8:
    """Assign every row to a part: (R,) of `Part`.

    Of each entity, the last `holdout` of its rows calibrate, a tenth of the rows before them
    validates and the rest trains. Up to `gap` rows between two parts are unused, because neighbours
    in time are similar. By entity, because entities may have been recorded one after the other.

    >>> rows = Rows(
    ...     time=np.arange(10),
    ...     entity=np.zeros(10, np.int32),
    ...     names=("a",),
    ...     values=np.zeros((10, 1)),
    ... )
    >>> split_by_time(rows, holdout=0.3, gap=0).tolist()
    [0, 0, 0, 0, 0, 0, 1, 2, 2, 2]
    """
    first = np.flatnonzero(rows.starts)
    counts = np.diff(np.append(first, len(rows)))
    rank = np.arange(len(rows)) - np.repeat(first, counts)
    held = np.repeat(np.round(counts * (1 - holdout)).astype(np.int64), counts)
    validate = np.repeat(
        np.round(counts * (1 - holdout) * (1 - VALIDATE_SHARE)).astype(np.int64), counts
    )
    margin = np.repeat(np.minimum(gap, (counts * GAP_SHARE).astype(np.int64)), counts)
    part = np.full(len(rows), Part.LEARN, dtype=np.int8)
    part[rank >= validate] = Part.VALIDATE
    part[rank >= held] = Part.CALIBRATE
    part[(rank >= validate - margin) & (rank < validate)] = Part.GAP
    part[(rank >= held - margin) & (rank < held)] = Part.GAP
    return part
