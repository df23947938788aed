"""Rows of planned work, and rows whose windows hold such rows.

A score compares a window with what the model expects. A window that holds rows of planned work is
judged by them too, so that a row beside the work could seem anomalous by the work alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Int32, Int64

if TYPE_CHECKING:
    from aedetect.arrays import Bool
    from aedetect.data import Rows
    from aedetect.scoring.maintenance import Interval

WORK, BESIDE_WORK = "maintenance", "window holds rows of maintenance"


@dataclass(frozen=True)
class RowWindows:
    """Rows in order, and which rows the windows of each can hold.

    Shapes: rows R; back (R,) usable rows directly before each, -1 for unusable rows; ends (N,) the
    scored rows. The windows of a row hold at most `before` rows before it and `after` rows after.
    """

    rows: Rows
    back: Int64
    ends: Int64
    before: int
    after: int


def mark_planned_work(
    intervals: Sequence[Interval], windows: RowWindows, reason: Int32, *, known: Bool
) -> list[str]:
    """Set the reason of scored rows (N,) in planned work or beside it; return the reasons.

    The index of the first is 0. Rows beside the work of which something is `known` that no window
    decides (N,), such as a value never seen, are left alone.
    """
    reasons: list[str] = []
    inside = [_inside(each, windows.rows) for each in intervals]
    pairs = list(zip(intervals, inside, strict=True))[::-1]  # of several, the first has priority
    for each, marks in pairs:
        beside = _beside(marks, windows)[windows.ends] & ~known
        if beside.any():
            _set(reason, beside, _text(BESIDE_WORK, each), reasons)
    for each, marks in pairs:
        _set(reason, marks[windows.ends], _text(WORK, each), reasons)
    return reasons


def in_planned_work(intervals: Sequence[Interval], rows: Rows) -> Bool:
    """Return which rows lie in any of the planned work: (R,)."""
    inside = np.zeros(len(rows), dtype=np.bool_)
    for each in intervals:
        inside |= _inside(each, rows)
    return inside


def touches_planned_work(intervals: Sequence[Interval], windows: RowWindows) -> Bool:
    """Return which rows lie in planned work or have windows that hold such rows: (R,)."""
    inside = in_planned_work(intervals, windows.rows)
    return inside | _beside(inside, windows)


def _inside(interval: Interval, rows: Rows) -> Bool:
    """Return which rows lie in planned work: (R,)."""
    inside = (rows.time >= interval.start) & (rows.time < interval.end)
    if interval.entity:
        named = np.array([name == interval.entity for name in rows.names], dtype=np.bool_)
        inside &= named[rows.entity]
    return np.asarray(inside)


def _beside(inside: Bool, windows: RowWindows) -> Bool:
    """Return which rows have windows that hold a marked row: (R,) -> (R,)."""
    back, count = windows.back, len(inside)
    rank = np.arange(count)
    last = np.maximum.accumulate(np.where(inside, rank, -1))
    beside = (last >= 0) & (rank - last <= np.minimum(back, windows.before))
    if windows.after:
        following = np.minimum.accumulate(np.where(inside, rank, count)[::-1])[::-1]
        ahead = following - rank
        joined = back[np.minimum(following, count - 1)] >= ahead
        beside |= (following < count) & joined & (ahead <= windows.after)
    return np.asarray(beside)


def _text(what: str, interval: Interval) -> str:
    return f"{what}: {interval.reason}" if interval.reason else what


def _set(reason: Int32, marks: Bool, text: str, reasons: list[str]) -> None:
    if text not in reasons:
        reasons.append(text)
    reason[marks] = reasons.index(text)
