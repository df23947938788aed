"""The time axis of a page: cells of equal length, which begin at round times of the clock."""

from __future__ import annotations

from dataclasses import dataclass

from aedetect.timestamps import NANOSECONDS
from aedetect.wall_clock import WallClock

MAX_CELLS = 180  # of a lane: each is a few pixels wide on a screen
_MINUTE, _HOUR, _DAY = (NANOSECONDS[unit] for unit in ("min", "h", "d"))
_STEPS = (
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 364)),
)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Cells of a time range: `start` in ns since 1970, `step` in ns."""

    start: int
    step: int
    cells: int

    @property
    def end(self) -> int:
        """The end of the last cell, exclusive."""
        return self.start + self.step * self.cells


def make_axis(first: int, last: int, *, clock: WallClock, most: int = MAX_CELLS) -> Axis:
    """Return the axis whose cells cover the timestamps from first to last (ns), both inclusive.

    >>> axis = make_axis(0, 30 * 86_400_000_000_000 - 1, clock=WallClock())
    >>> axis.cells, axis.step // 3_600_000_000_000
    (180, 4)
    """
    for step in _STEPS:
        start = _floor(first, step, clock)
        cells = (last - start) // step + 1
        if cells <= most:
            return Axis(start=start, step=step, cells=cells)
    step = -(-(last - first + 1) // most)
    return Axis(start=first, step=step, cells=(last - first) // step + 1)


def _floor(time: int, step: int, clock: WallClock) -> int:
    """Return the last multiple of the step on the face of the clock."""
    shown = clock.shown(time)
    return time - (shown - shown // step * step)
