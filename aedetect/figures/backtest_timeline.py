"""The figure of a backtest: events per day above, a timeline per entity below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import BLUE, DARK, GREY, RED, stacked_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aedetect.evaluation import Backtest

_DAY = 86_400_000_000_000  # ns
_MAX_ENTITIES = 40  # entities, those with the most events
_LINE = 0.22  # inches per entity


def draw_backtest_timeline(result: Backtest) -> Figure:
    """Draw the events of a backtest by time and entity, beside the known anomalies."""
    shown = _shown(result)
    height = 2.6 + _LINE * max(len(shown), 3)
    ratios = [2.0, _LINE * max(len(shown), 3)]
    figure, (above, below) = stacked_figure(_title(result), ratios, height=height)
    _draw_days(above, result)
    _draw_entities(below, result, shown)
    return figure


def _title(result: Backtest) -> str:
    count = len(result.alarms)
    return f"{count} event{'s' * (count != 1)} in {result.days:.1f} days"


def _shown(result: Backtest) -> list[str | None]:
    """Return the entities to draw: those with the most events, in their order."""
    counts = dict.fromkeys(result.entities, 0)
    for alarm in result.alarms:
        counts[alarm.entity] += 1
    most = sorted(counts, key=lambda name: -counts[name])[:_MAX_ENTITIES]
    return [name for name in result.entities if name in most]


def _draw_days(panel: Axes, result: Backtest) -> None:
    """Draw one bar per day, split into events that overlap a known anomaly and others."""
    from matplotlib.ticker import MaxNLocator

    days = [np.datetime64(day) for day in result.by_day]
    clock = result.clock
    first = clock.shown(result.since) // _DAY
    found, other = np.zeros(len(days)), np.zeros(len(days))
    for alarm in result.alarms:
        (found if result.overlaps_known(alarm) else other)[
            clock.shown(alarm.start) // _DAY - first
        ] += 1
    middle = np.array(days) + np.timedelta64(12, "h")
    wide = np.timedelta64(19, "h")
    if result.known is None:
        panel.bar(middle, other, width=wide, color=BLUE, label="events")
    else:
        panel.bar(middle, found, width=wide, color=BLUE, label="events that meet a known anomaly")
        color, label = (RED, "other events") if result.complete else (DARK, "not confirmed")
        panel.bar(middle, other, width=wide, bottom=found, color=color, label=label)
    panel.set_ylabel("events a day")
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9)


def _draw_entities(panel: Axes, result: Backtest, shown: list[str | None]) -> None:
    """Draw each event at its time, on the line of its entity, over the known anomalies."""
    import matplotlib.dates as mdates

    def shown_span(start: int, end: int) -> tuple[int, int]:
        return result.clock.shown(start), result.clock.shown(end)

    place = {name: number for number, name in enumerate(shown)}
    for each in result.known or ():
        if each.entity in place:
            _span(
                panel, *shown_span(each.start, each.end), place[each.entity], color=GREY, thick=0.8
            )
    for alarm in result.alarms:
        if alarm.entity in place:
            other = RED if result.complete else DARK
            color = BLUE if result.known is None or result.overlaps_known(alarm) else other
            _span(
                panel,
                *shown_span(alarm.start, alarm.end),
                place[alarm.entity],
                color=color,
                thick=0.4,
            )
    names = ["all rows" if name is None else name for name in shown]
    panel.set_yticks(range(len(shown)), names, fontsize=8)
    panel.set_ylim(len(shown) - 0.4, -0.6)
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    formatter = mdates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_formatter(formatter)
    zone = result.clock.zone or ("UTC" if result.clock.aware else "of the table")
    panel.set_xlabel(f"time ({zone})")
    if result.known:
        panel.annotate(
            "grey: known anomalies",
            (1, 1),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            fontsize=8,
            color=DARK,
        )


def _span(panel: Axes, start: int, end: int, line: int, *, color: str, thick: float) -> None:
    """Draw one interval as a bar with a minimum visible width."""
    begin, finish = np.datetime64(start, "ns"), np.datetime64(end, "ns")
    panel.barh(
        line,
        finish - begin,
        left=begin,
        height=thick,
        color=color,
        edgecolor=color,
        linewidth=0.8,
    )
