"""Levels of counters from their increases: the inverse of `aedetect.data.counters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.gaps import REACH
from aedetect.data.counters import Counting, Readings, read_counters, take_increases

if TYPE_CHECKING:
    from aedetect.arrays import Float64, Int64
    from aedetect.data import Rows, Schema


@dataclass(frozen=True)
class CounterLevels:
    """Rows as they are in the files, without duplicates, and the readings of their counters."""

    levels: Rows
    increases: Rows  # the same rows, as the model sees them
    counting: Counting
    readings: tuple[Readings, ...]

    @classmethod
    def of(cls, rows: Rows, schema: Schema) -> CounterLevels:
        """Take the increases of the counters."""
        counting = Counting.of(schema)
        if not counting.columns:
            return cls(rows, rows, counting, ())
        ((_, readings),) = read_counters([rows], counting)
        (taken,) = take_increases([rows], counting)
        return cls(rows, taken, counting, readings)

    def next_levels(self, expected: Float64) -> Float64:
        """Return the levels that follow from the readings before: (R, F) -> (R, F).

        A counter without a reading before keeps its level.
        """
        result = expected.copy()
        for column, reading in zip(self.counting.columns, self.readings, strict=True):
            rise = np.maximum(expected[:, column], 0) * reading.periods
            known = reading.known & (reading.rise >= 0)
            own = np.asarray(self.levels.values[:, column])
            result[:, column] = np.where(known, reading.before + rise, own)
        return result

    def filled_levels(self, expected: Float64) -> Float64:
        """Return levels for missing cells, by the increases (R, F) from the readings around them.

        Between two readings the expected increases are stretched so that they end at the second.
        NaN where there is no reading within reach, and for cells that are not missing.
        """
        result = expected.copy()
        rows, period = self.levels, self.counting.periods(self.levels)
        steps = np.maximum(np.diff(rows.time, prepend=rows.time[:1]) / period, 1.0)
        breaks = rows.starts
        breaks[1:] |= np.diff(rows.time) > self.counting.max_gaps(rows)[1:]
        for column in self.counting.columns:
            level = np.asarray(rows.values[:, column])
            total = np.cumsum(np.nan_to_num(np.maximum(expected[:, column], 0)) * steps)
            result[:, column] = _between(level, total, breaks.astype(np.int64).cumsum())
        return result


def _between(level: Float64, total: Float64, run: Int64) -> Float64:
    """Return levels from the readings before and after, by the increases so far `total` (R,)."""
    rank = np.arange(len(level))
    known = np.isfinite(level)
    before = np.maximum.accumulate(np.where(known, rank, -1))
    after = np.minimum.accumulate(np.where(known, rank, len(rank))[::-1])[::-1]
    has_before = (before >= 0) & (rank - before <= REACH)
    has_after = (after < len(rank)) & (after - rank <= REACH)
    before, after = np.where(has_before, before, rank), np.where(has_after, after, rank)
    has_before &= run[before] == run
    has_after &= run[after] == run
    up = level[before] + (total - total[before])
    down = level[after] - (total[after] - total)
    rise, between = level[after] - level[before], total[after] - total[before]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(
            between > 0,
            (total - total[before]) / between,
            (rank - before) / np.maximum(after - before, 1),
        )
        stretched = np.where(rise >= 0, level[before] + rise * share, up)
    chosen = np.where(has_before & has_after, stretched, np.where(has_before, up, down))
    return np.where(~known & (has_before | has_after), chosen, np.nan)
