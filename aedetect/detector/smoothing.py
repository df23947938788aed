"""Means over neighbouring rows of one run, that is, of rows without a gap between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64


def around(marks: Bool, *, before: int, after: int) -> Bool:
    """Also mark some rows before and after each marked one: (R,) -> (R,).

    >>> around(np.array([False, False, True, False]), before=1, after=0).tolist()
    [False, True, True, False]
    """
    count = len(marks)
    total = np.concatenate([[0], np.cumsum(marks)])
    rank = np.arange(count)
    low, high = np.maximum(rank - after, 0), np.minimum(rank + before + 1, count)
    return np.asarray(total[high] > total[low])


def smoothed(
    values: Float32, rows: Int64, wanted: Int64, back: Int64, offsets: Sequence[int]
) -> Float32:
    """Average the existing values over rows at some offsets: (M,) or (M, F) -> (N,), (N, F).

    Shapes: rows (M,) the row of each value, wanted (N,) among them, back (R,) rows directly before
    each without a gap. A row's values are added in the order of the offsets, regardless of the
    batch: a running sum would round differently from batch to batch.
    """
    place = np.full(len(back), -1)
    place[rows] = np.arange(len(rows))
    total = np.zeros((len(wanted), *values.shape[1:]))
    count = np.zeros(len(wanted))
    shape = (-1, *(1,) * (values.ndim - 1))
    for offset in offsets:
        other = wanted + offset
        inside = (other >= 0) & (other < len(back))
        other = np.where(inside, other, wanted)
        near = inside & (back[np.maximum(other, wanted)] >= abs(offset)) & (place[other] >= 0)
        total += np.where(near.reshape(shape), values[place[other]], 0)
        count += near
    mean: Float64 = total / count.reshape(shape)
    return mean.astype(np.float32)
