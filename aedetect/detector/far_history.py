"""Far cells and the rows before them: how often the column was nearly as far out."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.data import Rows

NEWS = 4  # rows nearly as far out in the history, from which on one more is no news
_OFFSETS = 50  # rows of the history at a time


@dataclass(frozen=True)
class FarCells:
    """Cells beyond the range of their column, of one table: (M,) each.

    place and column; begin, the first row of the entity; sign, 1 above the range and -1 below;
    edge, the end of the range on that side.
    """

    place: Int64
    column: Int64
    begin: Int64
    sign: Float64
    edge: Float64

    def take(self, which: Int64 | slice) -> FarCells:
        """Return some of the cells."""
        return FarCells(*(getattr(self, each.name)[which] for each in fields(self)))

    def runs(self) -> Int64:
        """Return the first cell of the run of each, of cells ordered by column and row: (M,).

        Neighbouring rows that are far on the same side are one run.
        """
        apart = self.begin == self.place
        apart[:1] = True
        apart[1:] |= (np.diff(self.place) != 1) | (np.diff(self.column) != 0)
        apart[1:] |= np.diff(self.sign) != 0
        return np.maximum.accumulate(np.where(apart, np.arange(len(apart)), 0))

    def excess(self, rows: Rows, place: Int64) -> Float64:
        """Return how far rows of each cell's column lie beyond the edge: (M, K) -> (M, K)."""
        values = rows.values[place, self.column[:, None]]
        return np.asarray(self.sign[:, None] * (values - self.edge[:, None]))

    def often(
        self, rows: Rows, needed: Float64, *, earliest: Int64, latest: Int64, most: int
    ) -> Bool:
        """Return where enough rows of a time were as far out as needed: (M,) each -> (M,).

        Of the rows before a cell, so many at most are looked at.
        """
        count = np.zeros(len(self.place), dtype=np.int64)
        left, start = np.arange(len(self.place)), 1
        while len(left) and start <= most:
            own = self.take(left)
            before, within = own.rows_before(start, _OFFSETS)
            time = rows.time[before]
            within &= time >= earliest[left, None]
            near = own.excess(rows, before) >= needed[left, None]
            count[left] += (within & (time <= latest[left, None]) & near).sum(axis=1)
            left, start = left[(count[left] < NEWS) & within[:, -1]], start + _OFFSETS
        return count >= NEWS

    def last_inside(self, rows: Rows, *, most: int) -> Int64:
        """Return the last of so many rows before that was not beyond the range, or -1: (M,)."""
        before, within = self.rows_before(1, most)
        inside = within & (self.excess(rows, before) <= 0)
        return np.where(inside.any(axis=1), self.place - 1 - inside.argmax(axis=1), -1)

    def rows_before(self, start: int, count: int) -> tuple[Int64, Bool]:
        """Return rows before each cell, the nearest first, and whether it has them: (M, K)."""
        before = self.place[:, None] - np.arange(start, start + count)
        return np.maximum(before, 0), before >= self.begin[:, None]
