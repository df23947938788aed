"""The range and the spread of each column in the training rows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.data import Rows
from aedetect.data.memmap import pick_rows, pieces_of

_LARGEST = 1e150  # the squares of larger numbers are infinite: not learnt from, as in scaling


@dataclass(frozen=True)
class TrainingRanges:
    """What columns held, of each entity and last of all together (E + 1, F).

    low, high, spread (standard deviation); usual, the median of three rows; odd, how many rows
    differ from it, in how many stretches; count (E + 1,) rows.
    """

    low: Float64
    high: Float64
    spread: Float64
    usual: Float64
    odd: Int64
    stretches: Int64
    count: Int64

    @classmethod
    def of(cls, rows: Rows) -> TrainingRanges:
        """Read the rows twice: for range and mean, then for what lies around them."""
        begins = np.flatnonzero(rows.starts)
        count = np.append(np.diff(np.append(begins, len(rows))), len(rows))
        low, high, total, present = _sums(rows, len(begins))
        with np.errstate(over="ignore", invalid="ignore"):  # then nothing is far
            mean = total / np.maximum(present, 1)
        usual = _usual(rows, np.append(begins, 0), count)
        around = _Around.of(rows, mean, usual)
        with np.errstate(over="ignore", invalid="ignore"):
            between = present[:-1] * np.square(mean[:-1] - mean[-1])
            squared = np.vstack([around.squared, (around.squared + between).sum(axis=0)])
            spread = np.sqrt(squared / np.maximum(present, 1))
        return cls(low, high, spread, usual, around.odd, around.stretches, count)


@dataclass(frozen=True)
class _Around:
    """Squared distances from the mean (E, F); odd rows and their stretches (E + 1, F)."""

    squared: Float64
    odd: Int64
    stretches: Int64

    @classmethod
    def of(cls, rows: Rows, mean: Float64, usual: Float64) -> _Around:
        """Add up batch by batch; the last odd row of a batch may go on in the next."""
        squared = np.zeros((len(mean) - 1, mean.shape[1]))
        odd, stretches = np.zeros((2, *mean.shape), dtype=np.int64)
        before = np.zeros((2, mean.shape[1]), dtype=np.bool_)
        reached = -1
        for values, first, own in _batches(rows):
            owner = np.repeat(own, np.diff(np.append(first, len(values))))
            with np.errstate(over="ignore", invalid="ignore"):
                distance = np.nan_to_num(values - mean[owner]) ** 2
                squared[own] += np.add.reduceat(distance, first, axis=0)
            there = np.isfinite(values)
            differs = there & (values != usual[owner])
            begins = differs & ~np.vstack([before[:1], differs[:-1]])
            fresh = first if own[0] != reached else first[1:]
            begins[fresh] = differs[fresh]
            odd[own] += np.add.reduceat(differs, first, axis=0, dtype=np.int64)
            stretches[own] += np.add.reduceat(begins, first, axis=0, dtype=np.int64)
            apart = there & (values != usual[-1])
            odd[-1] += apart.sum(axis=0)
            stretches[-1] += (apart & ~np.vstack([before[1:], apart[:-1]])).sum(axis=0)
            before = np.stack([differs[-1], apart[-1]])
            reached = int(own[-1])
        return cls(squared, odd, stretches)


def _batches(rows: Rows) -> Iterator[tuple[Float64, Int64, Int64]]:
    """Yield values without those too large; first rows and entities as in `pieces_of`."""
    for batch, first, own in pieces_of(rows):
        values = np.array(batch.values, dtype=np.float64)
        values[~(np.abs(values) <= _LARGEST)] = np.nan
        yield values, first, own


def _sums(rows: Rows, entities: int) -> tuple[Float64, Float64, Float64, Int64]:
    """Return lowest, highest and sum of the values, and how many there are: (E + 1, F) each."""
    low, high = np.full((2, entities + 1, rows.values.shape[1]), np.nan)
    total = np.zeros(low.shape)
    present = np.zeros(low.shape, dtype=np.int64)
    for values, first, own in _batches(rows):
        low[own] = np.fmin(low[own], np.fmin.reduceat(values, first, axis=0))
        high[own] = np.fmax(high[own], np.fmax.reduceat(values, first, axis=0))
        there = np.isfinite(values)
        present[own] += np.add.reduceat(there, first, axis=0, dtype=np.int64)
        total[own] += np.add.reduceat(np.where(there, values, 0), first, axis=0)
    low[-1], high[-1] = np.fmin.reduce(low, axis=0), np.fmax.reduce(high, axis=0)
    total[-1], present[-1] = total.sum(axis=0), present.sum(axis=0)
    return low, high, total, present


def _usual(rows: Rows, first: Int64, count: Int64) -> Float64:
    """Return the median of three rows of each group, of which one at most is odd: (G, F)."""
    places = np.stack([first, first + count // 2, first + count - 1])
    chosen, back = np.unique(places, return_inverse=True)
    values = pick_rows(rows.values, chosen)
    values[~(np.abs(values) <= _LARGEST)] = np.nan
    return np.asarray(np.median(values[back.reshape(places.shape)], axis=0))
