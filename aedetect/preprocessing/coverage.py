"""The share of rows that no window covers, since steps between rows are too long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Int64
from aedetect.data import Rows, Schema
from aedetect.preprocessing.windows import positions
from aedetect.timestamps import NANOSECONDS, round_duration

_MOST_ROWS = 1_000_000  # the first ones, which are looked at
_WORTH_SAYING = 0.02  # of the rows
_NICE = {
    "s": (1, 2, 5, 10, 15, 20, 30),
    "min": (1, 2, 5, 10, 15, 20, 30),
    "h": (1, 2, 3, 4, 6, 8, 12),
    "d": (1, 2, 4, 7, 14, 30, 60, 120, 365),
}


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The rows that no window covers because of steps over max_gap, and what would help."""

    share: float  # of the rows
    max_gap: int  # ns, of most entities
    better: int | None  # ns, a max_gap that leaves almost none; None: there is none
    left: float  # the share that it leaves

    def describe(self, length: int) -> str | None:
        """Return a sentence; None when it is not worth one."""
        if self.share <= _WORTH_SAYING:
            return None
        text = (
            f"{self.share:.0%} of the rows will not be scored: a window of {length} rows has no "
            f"step over {round_duration(self.max_gap)}"
        )
        if self.better is None:
            return f"{text}; a smaller [window] length or a larger [data] max_gap helps"
        gap = round_duration(self.better)
        return f'{text}; [data] max_gap = "{gap}" would leave {self.left:.1%}'


def window_coverage(rows: Rows, schema: Schema, *, length: int) -> Coverage:
    """Return which share of ordered rows no window of `length` rows covers because of long steps.

    The first rows of an entity, before which there are too few, do not count.
    """
    some = rows.take(slice(0, _MOST_ROWS))
    time, gaps = np.asarray(some.time), schema.max_gaps(some)
    share = _uncovered(some, time, gaps, length)
    better, left = None, share
    if share > _WORTH_SAYING:
        for gap in (n * NANOSECONDS[unit] for unit, each in _NICE.items() for n in each):
            if gap > schema.max_gap:
                left = _uncovered(some, time, np.maximum(gaps, gap), length)
                if left <= _WORTH_SAYING / 2:
                    better = gap
                    break
    return Coverage(share=share, max_gap=schema.max_gap, better=better, left=left)


def _uncovered(rows: Rows, time: Int64, gaps: Int64, length: int) -> float:
    usable = np.ones(len(time), dtype=np.bool_)
    back, possible = (
        positions(time, starts=rows.starts, usable=usable, max_gap=gap)
        for gap in (gaps, np.full(len(time), np.iinfo(np.int64).max))
    )
    lost = (possible >= length - 1) & (back < length - 1)
    return float(lost.mean()) if len(lost) else 0.0
