"""The swim lanes of a page as one SVG without scripts: entities x time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from aedetect.display.html import LEVELS, render
from aedetect.output.schemas import SEVERITIES
from aedetect.report.lanes import NO_ROW, describe_lanes
from aedetect.report.wording import clip

if TYPE_CHECKING:
    from aedetect.report.page import Page

LANES = 20  # at most, the worst
_LEFT, _RIGHT, _LANE, _STEP, _BELOW = 150, 10, 14, 18, 22  # units of the viewBox
_WIDTH = 900
_NAME = 24  # characters
_UNSCORED = "#8796a588"
_MAX_MARKS = 200


def lanes_html(page: Page) -> str:
    """Return the lanes of a page: the overall lane, then the worst entities, events marked."""
    found = describe_lanes(page)
    lanes = [found["overall"], *found["lanes"][:LANES]]
    if len(found["lanes"]) == 1:
        lanes = found["lanes"]  # the overall lane is the only one
    cell = (_WIDTH - _LEFT - _RIGHT) / found["cells"]
    offset = len(lanes) - len(found["lanes"][:LANES])
    return render(
        "lanes.html",
        width=_WIDTH,
        height=_STEP * len(lanes) + _BELOW,
        left=_LEFT,
        lanes=[
            {
                "name": clip(each["name"], most=_NAME),
                "y": at * _STEP,
                "paths": list(_paths(each["level"], y=at * _STEP, cell=cell)),
            }
            for at, each in enumerate(lanes)
        ],
        marks=list(_marks(page, found["events"], offset=offset, cell=cell)),
        ticks=[{"x": round(_LEFT + at * cell, 1), "text": text} for at, text in found["ticks"]],
        more=max(len(found["lanes"]) - LANES, 0),
    )


def _paths(levels: str, *, y: int, cell: float) -> Iterator[dict[str, str]]:
    """Yield a path for each level of a lane: equal cells beside each other are one box."""
    boxes: dict[str, list[str]] = {}
    at = 0
    for level, same in groupby(levels):
        count = len(list(same))
        if level != NO_ROW:
            x, width = round(_LEFT + at * cell, 1), round(count * cell, 1)
            boxes.setdefault(level, []).append(f"M{x:g} {y}h{width:g}v{_LANE}h-{width:g}z")
        at += count
    for level, parts in sorted(boxes.items()):
        color = LEVELS[int(level)] if level.isdigit() else _UNSCORED
        yield {"d": "".join(parts), "color": color}


def _marks(
    page: Page, events: list[list[Any]], *, offset: int, cell: float
) -> Iterator[dict[str, str]]:
    """Yield a triangle for each event of a lane that is shown."""
    texts = dict(zip(*(page.events[n].to_pylist() for n in ("event_id", "text")), strict=True))
    for lane, begin, _, severity, event, _ in events[:_MAX_MARKS]:
        if lane < LANES:
            x, y = _LEFT + begin * cell, (lane + offset) * _STEP + _LANE
            yield {
                "d": f"M{x:.1f} {y - 6}l4 7h-8z",
                "severity": SEVERITIES[severity],
                "text": clip(texts.get(event) or ""),
            }
