"""What the template shows of slow faults: texts, and a line by day as places in percent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.drift.shifts import FAULT
from aedetect.events.description import plain_number
from aedetect.report.wording import clip
from aedetect.wording import list_some, plural

if TYPE_CHECKING:
    from aedetect.arrays import Float64
    from aedetect.report.slow_faults import SlowFault

_SHORT = 160  # characters of a name
_ROOM = 1.08  # above the highest value of a chart


def fault_views(
    faults: Sequence[SlowFault], *, total: int, lanes: Mapping[str | None, int]
) -> list[Mapping[str, Any]]:
    """Return what the template shows of slow faults; `total` are the events of the page."""
    return [_view(each, total=total, lane=lanes.get(each.shift.entity, -1)) for each in faults]


def _view(fault: SlowFault, *, total: int, lane: int) -> Mapping[str, Any]:
    shift, levels = fault.shift, fault.levels
    alarm = levels.limit**FAULT  # the limit is one of logarithms
    top = float(np.nanmax(np.concatenate([levels.times, alarm, levels.high, [1.0]]))) * _ROOM
    known = np.flatnonzero(np.isfinite(levels.times))
    last, peak = int(known[-1]), int(np.nanargmax(levels.times))
    return {
        "entity": clip(str(shift.entity), most=_SHORT),
        "lane": lane,
        "since": shift.since,
        "until": levels.days[last],
        "first": levels.days[0],
        "times": f"{levels.times[last]:.2g}",  # as in the alert
        "most": f"{levels.times[peak]:.2g}" if peak != last else "",
        "peak": levels.days[peak],
        "usual": plain_number(float(levels.limit[last])),
        "alarm": plain_number(float(alarm[last])),
        "columns": clip(list_some(shift.columns, most=3)),
        "events": plural(len(fault.events), "event"),
        "count": len(fault.events),
        "total": total,
        "id": fault.events[0] if fault.events else "",
        "strongest": clip(fault.strongest),
        "line": _path(levels.times, top),
        "points": _places(levels.times, top),
        "limit": _path(alarm, top),
        "others": _area(levels.low, levels.high, top),
        "begin": _x(levels.days.index(shift.since), len(levels.days))
        if shift.since in levels.days
        else None,
        "ticks": [(_y(value, top), text) for value, text in _ticks(float(alarm[last]), top)],
        "daily": "; ".join(
            f"{levels.days[at][5:]} {plain_number(float(levels.times[at]))}" for at in known
        ),
    }


def _ticks(alarm: float, top: float) -> Iterator[tuple[float, str]]:
    """Yield heights of a chart with their texts: as usual, and the limit."""
    yield 1.0, "1"
    if alarm < top:
        yield alarm, plain_number(alarm)


def _x(at: int, count: int) -> float:
    return round(100 * (at + 0.5) / count, 2)


def _y(value: float, top: float) -> float:
    return round(100 * (1 - value / top), 2)


def _places(values: Float64, top: float) -> list[tuple[float, float]]:
    """Return the places of the days with a value, in percent from the left and from above."""
    known = np.flatnonzero(np.isfinite(values)).tolist()
    return [(_x(at, len(values)), _y(float(values[at]), top)) for at in known]


def _path(values: Float64, top: float) -> str:
    """Return a line over the days; it is broken where a day has no value."""
    parts, pen = [], "M"
    for at, value in enumerate(values.tolist()):
        if np.isfinite(value):
            parts.append(f"{pen}{_x(at, len(values))} {_y(value, top)}")
        pen = "L" if np.isfinite(value) else "M"
    return "".join(parts)


def _area(low: Float64, high: Float64, top: float) -> str:
    """Return the area between two lines, over the days that have both."""
    up, down = _places(high, top), _places(low, top)
    points = [*up, *reversed(down)]
    return "M" + "L".join(f"{x} {y}" for x, y in points) + "z" if points else ""
