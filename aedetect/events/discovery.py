"""Which candidates are reported so that most reported events are real: `threshold = "precision"`.

Benjamini, Hochberg: Controlling the false discovery rate (1995), in batches of a day with a memory
of WINDOW days. Of the candidates of these days, k have a smallest p-value of at most p. Of m normal
rows, at most m p are expected to be as rare, however they depend on each other, and a false event
has at least one of them. So the largest p with m p <= (1 - precision) k leaves at most that share
of false events among those expected; candidates of the day up to it are reported. Counting rows
where events are meant is what makes this an upper bound without knowing the dependence.

It assumes p-values that hold: rows that are normal and yet rarer than their p-value says, such as
after drift, count as real. A share is one of expectations over the window, not of each day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.events.judged_rows import WINDOW, JudgedCounts
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int64

_DAY = NANOSECONDS["d"]


def discoveries(start: Int64, p_value: Float64, judged: JudgedCounts, *, precision: float) -> Bool:
    """Return which candidates are reported: begin (S,) ns and smallest p-value (S,) -> (S,).

    >>> rows = JudgedCounts(np.array([0]), np.array([_DAY]), np.array([1000]))
    >>> found = np.array([1e-9, 1e-5, 1e-2])  # 0.3 rows of 30,000 are below 1e-5, 300 below 1e-2
    >>> discoveries(np.zeros(3, np.int64), found, rows, precision=0.8).tolist()
    [True, True, False]
    """
    reported = np.zeros(len(start), dtype=np.bool_)
    if not len(start) or not len(judged.rows):
        return reported
    order = np.argsort(start, kind="stable")
    day, p_sorted = start[order] // _DAY, p_value[order]
    days, first = np.unique(day, return_index=True)
    until = np.append(first[1:], len(day))
    since = np.searchsorted(day, days - WINDOW, side="right")
    rows = judged.in_window(days)
    for begin, own, end, count in zip(since, first, until, rows, strict=True):  # days, not rows
        remembered = np.sort(p_sorted[begin:end])
        rank = np.arange(1, len(remembered) + 1)
        kept = np.flatnonzero(count * remembered <= (1 - precision) * rank)
        if len(kept):
            reported[order[own:end]] = p_sorted[own:end] <= remembered[kept[-1]]
    return reported
