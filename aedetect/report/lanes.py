"""The swim lanes of a page as JSON: a character for each cell, and marks in units of cells."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.output.schemas import SEVERITIES
from aedetect.report.wording import clip
from aedetect.timestamps import NANOSECONDS, to_nanoseconds

if TYPE_CHECKING:
    from aedetect.report.page import Page
    from aedetect.wall_clock import WallClock

LEVELS = (0.1, 0.01, 1e-3, 1e-4, 1e-6)  # share of normal cells with a row as rare; bounds
_SIGNS = string.digits + string.ascii_letters  # half decades of the p-value
NO_ROW, NO_SCORE = ".", "-"
_MAX_MARKS = 2_000  # of a kind
_MAX_TICKS = 8
_MAX_NAME = 80  # characters


def describe_lanes(page: Page) -> dict[str, Any]:
    """Return the lanes: the overall lane, then entities, the worst first, with what marks them."""
    axis, grid, clock = page.axis, page.grid, page.facts.clock
    starts = axis.start + axis.step * np.arange(axis.cells + 1, dtype=np.int64)
    names = [_named(name) for name in grid.entities]
    lanes = [
        {"name": name, **_cells(grid.rarest[at], grid.rows[at])} for at, name in enumerate(names)
    ]
    return {
        "cells": axis.cells,
        "times": [clock.format(int(each), separator="T")[:16] for each in starts],
        "ticks": list(_ticks(page)),
        "overall": {"name": "overall", **_cells(grid.overall, grid.overall_rows)},
        "lanes": lanes,
        "events": list(_event_marks(page)),
        "maintenance": list(_maintenance_marks(page)),
        "known": list(_known_marks(page)),
    }


def lane_numbers(page: Page) -> dict[str | None, int]:
    """Return the number of the lane of each entity that has one."""
    return {name: at for at, name in enumerate(page.grid.entities)}


def _named(name: str | None) -> str:
    return "all rows" if name is None else clip(name, most=_MAX_NAME)


def _cells(rarest: Float64, rows: Int64) -> dict[str, str]:
    """Return the p-values and the levels of a lane: (C,), (C,), a character for each cell.

    p-values in half decades: 0 is 1, 1 is 0.32, 2 is 0.1 and so on. Levels say how rare the rarest
    row is for a cell of so many rows: 0 as in most normal cells.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.minimum(-2 * np.log10(rarest), len(_SIGNS) - 1)
        common = rarest * rows
    scored = ~np.isnan(rarest)
    decades = np.rint(np.where(scored, decades, 0)).astype(np.int64)
    level = sum((common <= bound).astype(np.int64) for bound in LEVELS)
    found = {"p": np.array(list(_SIGNS))[decades], "level": np.asarray(level).astype(str)}
    marked = {name: np.where(scored, each, NO_SCORE) for name, each in found.items()}
    return {name: "".join(np.where(rows, each, NO_ROW)) for name, each in marked.items()}


def _place(page: Page, time: int) -> float:
    """Return a time in cells from the left."""
    axis = page.axis
    return round(min(max((time - axis.start) / axis.step, 0), axis.cells), 3)


def _event_marks(page: Page) -> Iterator[list[Any]]:
    """Yield lane, begin, end, severity, id and incident of reported events, the worst first."""
    lanes, table = lane_numbers(page), page.events.slice(0, _MAX_MARKS)
    starts, ends = (to_nanoseconds(table[name]).to_pylist() for name in ("start", "end"))
    columns = [table[n].to_pylist() for n in ("entity", "severity", "event_id", "incident_id")]
    together: dict[str, int] = {}
    for incident in columns[3]:
        together[incident] = together.get(incident, 0) + 1
    for start, end, entity, severity, event, incident in zip(starts, ends, *columns, strict=True):
        if entity in lanes:
            yield [
                lanes[entity],
                _place(page, start),
                _place(page, end),
                SEVERITIES.index(severity),
                event,
                incident if together[incident] > 1 else None,
            ]


def _maintenance_marks(page: Page) -> Iterator[list[Any]]:
    """Yield lane, begin, end and reason of planned work; lane -1 is all of them."""
    lanes = lane_numbers(page)
    for each in page.facts.maintenance[:_MAX_MARKS]:
        if not each.entity or each.entity in lanes:
            at = lanes[each.entity] if each.entity else -1
            place = _place(page, each.start), _place(page, each.end)
            if place[0] < place[1]:
                yield [at, *place, clip(each.reason or "planned work", most=_MAX_NAME)]


def _known_marks(page: Page) -> Iterator[list[Any]]:
    """Yield lane, begin and end of labelled anomalies."""
    lanes = lane_numbers(page)
    for each in (page.facts.known or ())[:_MAX_MARKS]:
        inside = each.end >= page.axis.start and each.start < page.axis.end
        if each.entity in lanes and inside:
            yield [lanes[each.entity], _place(page, each.start), _place(page, each.end)]


def _ticks(page: Page) -> Iterator[list[Any]]:
    """Yield place and text of a few round times."""
    axis, clock = page.axis, page.facts.clock
    every = max(-(-axis.cells // _MAX_TICKS), 1)
    day = NANOSECONDS["d"]
    if axis.step * axis.cells > 2 * day:  # days begin at whole cells
        a_day = max(day // axis.step, 1)
        every = -(-every // a_day) * a_day
    first = _first_tick(axis.start, axis.step, every, clock)
    for cell in range(first, axis.cells, every):
        text = clock.format(axis.start + cell * axis.step)
        yield [cell, text[5:10] if axis.step * every >= day else text[5:16]]


def _first_tick(start: int, step: int, every: int, clock: WallClock) -> int:
    """Return the first cell that begins at a multiple of the distance between ticks."""
    distance = min(NANOSECONDS["d"], step * every)
    shown = clock.shown(start)
    return int(-(-shown // distance) * distance - shown) // step
