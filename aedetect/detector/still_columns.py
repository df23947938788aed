"""How long columns stayed the same in the training rows, and at what: batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.data import Feature, Rows
from aedetect.data.memmap import pieces_of
from aedetect.preprocessing.scaling import ROUNDING
from aedetect.preprocessing.windows import exceeding


def only_values(rows: Rows) -> Float64:
    """Return the only value of each entity, and last of all: (E + 1, F), NaN for several."""
    low, high = np.full((2, int(rows.starts.sum()) + 1, rows.values.shape[1]), np.nan)
    for batch, first, own in pieces_of(rows):
        low[own] = np.fmin(low[own], np.fmin.reduceat(batch.values, first, axis=0))
        high[own] = np.fmax(high[own], np.fmax.reduceat(batch.values, first, axis=0))
    low[-1], high[-1] = np.fmin.reduce(low, axis=0), np.fmax.reduce(high, axis=0)
    with np.errstate(invalid="ignore", over="ignore"):  # no value, or infinite ones
        same = high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return np.where(same, low, np.nan)


def longest_runs(rows: Rows, features: Sequence[Feature], max_gap: Int64) -> Float64:
    """Return for how long (ns) each number stayed the same at most: (E + 1, F), NaN for others.

    The longest step in a run is given for each row (R,). A missing cell ends a run.
    """
    apart = rows.starts
    apart[1:] |= exceeding(rows.time, max_gap)
    longest = np.zeros((int(rows.starts.sum()) + 1, len(features)))
    last, since = np.full(len(features), np.nan), np.zeros(len(features), dtype=np.int64)
    done = 0
    for batch, first, own in pieces_of(rows):
        values, time = np.asarray(batch.values), np.asarray(batch.time)
        begins = np.vstack([values[:1] != last, values[1:] != values[:-1]])
        begins |= apart[done : done + len(batch), None]
        rank = np.arange(1, len(batch) + 1, dtype=np.int32)[:, None]
        begin = np.maximum.accumulate(np.where(begins, rank, 0), axis=0)  # 0: before this batch
        began = np.where(begin == 0, since, time[begin - 1])
        lasted = np.maximum.reduceat(time[:, None] - began, first, axis=0)
        longest[own] = np.maximum(longest[own], lasted)
        last, since, done = values[-1].copy(), began[-1], done + len(batch)
    longest[-1] = longest[:-1].max(axis=0)
    longest[:, [feature.kind != "number" for feature in features]] = np.nan
    return longest
