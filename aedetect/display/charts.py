"""Lines of an event as paths of a small SVG: its score, then the blamed columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.arrays import Bool, Float64
from aedetect.events.description import plain_number
from aedetect.report.wording import clip, minutes

if TYPE_CHECKING:
    from aedetect.report.cards import Card
    from aedetect.report.lines import Line
    from aedetect.wall_clock import WallClock

WIDTH, HEIGHT = 600, 90  # units of the viewBox, as in the template
_MARGIN = 4
_OBSERVED, _EXPECTED, _LIMIT = "currentColor", "#4a7ba6", "#c9243c"


def event_charts(card: Card, clock: WallClock) -> Iterator[dict[str, Any]]:
    """Yield the charts of an event; none without lines. The last one has the time below it."""
    if card.scores is None:
        return
    lines = [card.scores, *(each.line for each in card.columns)]
    since = min(int(each.time[0]) for each in lines)
    until = max(int(each.time[-1]) for each in lines)
    score = card.scores.values["score"]
    threshold = np.full(len(score), card.event.threshold)
    drawn: dict[str, tuple[Float64, str, bool]] = {
        "score": (score, _OBSERVED, False),
        "threshold": (threshold, _LIMIT, True),
    }
    times = [minutes(clock.format(each)) for each in (since, until)]
    first = _chart("score, and its threshold (dashed)", card, card.scores, (since, until), drawn)
    yield first | {"times": [] if card.columns else times}
    for column in card.columns:
        values = column.line.values
        drawn = {
            "expected": (values["expected"], _EXPECTED, True),
            "observed": (values["observed"], _OBSERVED, False),
        }
        unit = f" ({column.unit})" if column.unit else ""
        name = f"{clip(column.name, most=80)}{unit}: observed, expected (dashed), normal band"
        chart = _chart(name, card, column.line, (since, until), drawn)
        yield chart | {"times": times if column is card.columns[-1] else []}


def _chart(
    name: str,
    card: Card,
    line: Line,
    span: tuple[int, int],
    drawn: dict[str, tuple[Float64, str, bool]],
) -> dict[str, Any]:
    across = _across(line.time, span)
    begin, end = _across(np.array([card.start, card.end]), span).tolist()
    band = [line.values[each] for each in ("low", "high") if each in line.values]
    low, high = _range([*(values for values, _, _ in drawn.values()), *band])
    return {
        "name": name,
        "scale": f"{plain_number(low)} to {plain_number(high)}",
        "begin": round(begin, 1),
        "width": round(max(end - begin, 2), 1),
        "band": _band(across, *(_up(each, low, high) for each in band)) if band else "",
        "lines": [
            {"path": _path(across, _up(values, low, high)), "color": color, "dashed": dashed}
            for values, color, dashed in drawn.values()
        ],
    }


def _across(time: np.ndarray, span: tuple[int, int]) -> Float64:
    since, until = span
    return np.asarray((time - since) / max(until - since, 1) * WIDTH)


def _range(values: list[Float64]) -> tuple[float, float]:
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)


def _up(values: Float64, low: float, high: float) -> Float64:
    with np.errstate(over="ignore", invalid="ignore"):
        share = (values - low) / (high - low) if high > low else values * 0 + 0.5
    return np.asarray(HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN))


def _path(across: Float64, up: Float64) -> str:
    """Return a line as a path that leaves out what is missing.

    >>> _path(np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, 6.0, np.nan, 7.0]))
    'M0 5L1 6M3 7'
    """
    known = np.isfinite(up)
    begins = known & ~np.append(False, known[:-1])
    return "".join(_points(across, up, known, begins))


def _points(across: Float64, up: Float64, known: Bool, begins: Bool) -> Iterator[str]:
    for at in np.flatnonzero(known).tolist():
        yield f"{'M' if begins[at] else 'L'}{across[at]:.4g} {up[at]:.4g}"


def _band(across: Float64, low: Float64, high: Float64) -> str:
    """Return the area between two lines, a closed piece for each stretch that is known."""
    known = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    pieces = []
    for first, last in edges.reshape(-1, 2).tolist():
        there = _path(across[first:last], high[first:last])
        back = _path(across[first:last][::-1], low[first:last][::-1])
        pieces.append(f"{there}L{back[1:]}Z")
    return "".join(pieces)
