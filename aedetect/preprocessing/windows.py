"""Rows <-> windows (N, T, F). A window never spans a gap, an unusable row or an entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Bool, Float32, Int64
from aedetect.data import Rows

_T = TypeVar("_T", bound=np.generic)


def positions(time: Int64, *, starts: Bool, usable: Bool, max_gap: int | Int64) -> Int64:
    """Count the usable rows directly before each row, without a gap: (R,), -1 for unusable rows.

    The longest step is one for all rows, or one for each (R,).

    >>> on = np.ones(4, bool)
    >>> positions(
    ...     np.array([0, 1, 9, 10]),
    ...     starts=np.array([True, False, False, False]),
    ...     usable=on,
    ...     max_gap=2,
    ... ).tolist()
    [0, 1, 0, 1]
    """
    breaks = starts | ~usable
    breaks[1:] |= ~usable[:-1] | exceeding(time, max_gap)
    rank = np.arange(len(time))
    counted: Int64 = rank - np.maximum.accumulate(np.where(breaks, rank, 0))
    counted[~usable] = -1
    return counted


def exceeding(time: Int64, max_gap: int | Int64) -> Bool:
    """Return which rows but the first follow a longer step than allowed: (R,) -> (R - 1,)."""
    return np.asarray(np.diff(time) > (max_gap if isinstance(max_gap, int) else max_gap[1:]))


def gather(matrix: npt.NDArray[_T], ends: Int64, *, length: int) -> npt.NDArray[_T]:
    """Copy the windows that end at the given rows: (R, F), (N,) -> (N, length, F).

    The windows are one strided view, from which only the requested ones are copied: N should be
    small enough for them to stay in the processor's cache.

    >>> gather(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([2]), length=2).tolist()
    [[[2.0, 3.0], [4.0, 5.0]]]
    """
    view = windows_of(matrix, length=length)
    return view[ends - (length - 1)].reshape(len(ends), length, matrix.shape[1])


def windows_of(matrix: npt.NDArray[_T], *, length: int) -> npt.NDArray[_T]:
    """Return all windows as one view, without a copy: (R, F) -> (R - length + 1, length F)."""
    rows, width = matrix.shape
    # A column-major array, as pandas returns, would give windows of wrong numbers here.
    assert matrix.flags.c_contiguous, "windows are cut from row-major arrays only"
    return np.lib.stride_tricks.as_strided(
        matrix,
        shape=(max(rows - length + 1, 0), length * width),
        strides=(matrix.strides[0], matrix.itemsize),
        writeable=False,
    )


@dataclass(frozen=True)
class Windows:
    """Windows of one part of the rows, cut on access.

    Shapes: matrix (R, D + K), observed (R, D), ends (N,) the last row of each window.
    """

    matrix: Float32
    observed: Bool
    ends: Int64
    length: int

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.ends)

    def take(self, chosen: Int64 | slice) -> tuple[Float32, Bool]:
        """Copy windows and which of their cells were observed: (B, T, D + K), (B, T, D)."""
        return self.values(chosen), self.cells(chosen)

    def values(self, chosen: Int64 | slice) -> Float32:
        """Copy windows: (B, T, D + K)."""
        return gather(self.matrix, self.ends[chosen], length=self.length)

    def cells(self, chosen: Int64 | slice) -> Bool:
        """Copy which cells of windows were observed: (B, T, D)."""
        return gather(self.observed, self.ends[chosen], length=self.length)

    @cached_property
    def complete(self) -> bool:
        """Whether every cell of all rows was observed."""
        return bool(self.observed.all())

    def thin(self, most: int) -> Windows:
        """Return at most `most` of the windows, evenly spaced."""
        step = max(1, -(-len(self) // most))
        return replace(self, ends=self.ends[::step])


def with_context(batches: Iterable[Rows], *, lookback: int) -> Iterator[tuple[Rows, int]]:
    """Yield each batch preceded by the rows of its first entity up to `lookback` ns before it.

    Also yields the number of rows prepended. Results are then the same for any cut into batches.
    """
    tail: Rows | None = None
    for batch in batches:
        joined, before = (batch, 0) if tail is None else _join(tail, batch)
        yield joined, before
        own_entity = joined.entity == joined.entity[-1]
        tail = joined.take(own_entity & (joined.time >= joined.time[-1] - lookback))


def surrounded(
    batches: Iterable[Rows], *, behind: int = 0, ahead: int = 0, lookback: int, lookahead: int = 0
) -> Iterator[tuple[Rows, slice]]:
    """Yield rows with surrounding rows of their entity, and a mask of the current rows.

    Surrounding rows are at least `behind` rows, and all rows of `lookback` ns, before, and `ahead`
    rows, and all rows of `lookahead` ns, after, or as many as there are. Each row is current once,
    in order.
    """
    held: Rows | None = None
    done = 0
    for batch in batches:
        rows, before = (batch, 0) if held is None else _join(held, batch)
        if not before:
            if held is not None and done < len(held):  # no more rows of its entity follow
                yield held, slice(done, len(held))
            done = 0
        own = int(np.flatnonzero(rows.starts)[-1])
        until = len(rows) - ahead
        if lookahead:  # later rows may have the time of the last row, but no earlier one
            known = int(np.searchsorted(rows.time[own:], rows.time[-1] - lookahead))
            until = min(until, own + known)
        until = max(own, done, until)
        if until > done:
            yield rows, slice(done, until)
        last = max(until - 1, own)
        oldest = own + int(np.searchsorted(rows.time[own:], rows.time[last] - lookback))
        first = max(own, min(until - behind, oldest))
        held, done = rows.take(slice(first, None)), until - first
        if not behind:
            held, done = _without_repeats(held, done)
    if held is not None and done < len(held):
        yield held, slice(done, len(held))


def _without_repeats(held: Rows, done: int) -> tuple[Rows, int]:
    """Leave out rows among the first `done` that repeat the time of the one before.

    Nothing depends on them any more. So memory does not grow with the rows of one timestamp.
    """
    repeated = held.duplicates
    repeated[done:] = False
    if not repeated.any():
        return held, done
    return held.take(~repeated), done - int(repeated.sum())


def _join(tail: Rows, batch: Rows) -> tuple[Rows, int]:
    """Prepend the tail to the batch if both are of one entity."""
    name = tail.names[tail.entity[0]]
    if batch.names[batch.entity[0]] != name:
        return batch, 0
    moved = np.full(len(tail), batch.entity[0], dtype=np.int32)
    joined = replace(
        batch,
        time=np.concatenate([tail.time, batch.time]),
        entity=np.concatenate([moved, batch.entity]),
        values=np.concatenate([tail.values, batch.values]),
    )
    return joined, len(tail)
