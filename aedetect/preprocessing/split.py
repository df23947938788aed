"""Split rows into learn, validate and calibrate parts, by time per entity, never shuffled."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from aedetect.arrays import Int8, Int64
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

    `gap` is also the length of a window: where a part of an entity would be too short for one,
    some entities give a longer part, and the others none, so that the shares of all rows are kept.

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
    margin = np.minimum(gap, (counts * GAP_SHARE).astype(np.int64))
    held = np.round(counts * (1 - holdout)).astype(np.int64)
    before = np.round(counts * (1 - holdout) * (1 - VALIDATE_SHARE)).astype(np.int64)
    calibrate = _pooled(counts - held, room=counts, margin=margin, length=gap)
    end = counts - calibrate - np.where(calibrate > 0, margin, 0)
    own = np.maximum(held - margin - before, 0)
    room = np.where(calibrate > counts - held, 0, end)  # what gave more than its share gives once
    validate = _pooled(own, room=room, margin=margin, length=gap)
    learn = end - validate - np.where(validate > 0, margin, 0)
    rank = np.arange(len(rows)) - np.repeat(first, counts)
    part = np.full(len(rows), Part.GAP, dtype=np.int8)
    part[rank < np.repeat(learn, counts)] = Part.LEARN
    part[(rank >= np.repeat(end - validate, counts)) & (rank < np.repeat(end, counts))] = (
        Part.VALIDATE
    )
    part[rank >= np.repeat(counts - calibrate, counts)] = Part.CALIBRATE
    return part


def _pooled(own: Int64, *, room: Int64, margin: Int64, length: int) -> Int64:
    """Return how many rows each entity gives to a part: own (E,) its share, room (E,) -> (E,).

    An entity whose share holds a window gives its share. Of the others, every few give one to two
    windows' lengths, until the sum of their shares is reached. Which ones is drawn, with the same
    result every time, so that no order of the names has a say in what calibrates.
    """
    length = max(length, 1)
    able = np.flatnonzero((own < length) & (room >= length))
    size = np.clip(room - length - margin, length, 2 * length)
    given = np.where(own < length, 0, own)
    owed, pooled = 0, False
    for entity in np.random.default_rng(0).permutation(able).tolist():
        owed += int(own[entity])
        if 2 * owed >= size[entity]:
            given[entity], pooled = size[entity], True
            owed -= int(size[entity])
    return given if pooled else own
