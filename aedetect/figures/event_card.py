"""The picture of one event: its score with the threshold, and the columns to blame."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import BLUE, DARK, GREY, RED, stacked_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aedetect.arrays import Int64
    from aedetect.report.cards import Card, ColumnLine
    from aedetect.wall_clock import WallClock

_PANEL = 1.5  # inches
_WRAPPED, _MOST = 90, 400  # characters of a line of the title, and of all
_NAME = 60
_BAND = "#cfe0f3"


def draw_event_card(card: Card, clock: WallClock) -> Figure:
    """Draw an event: before, during and after. Without lines, its sentence alone."""
    panels = 1 + len(card.columns)
    figure, axes = stacked_figure("", [1.0] * panels, height=1.1 + _PANEL * panels)
    event = card.event
    sentence = textwrap.fill(event.text[:_MOST], _WRAPPED)
    begin = event.start[:16].replace("T", " ")
    who = f"{event.severity}: {(event.entity or 'all rows')[:_NAME]}, {begin}"
    # Names are text: a dollar sign in one begins no formula.
    figure.suptitle(f"{who}\n{sentence}", fontsize=10, fontweight="bold", parse_math=False)
    during = clock_times(np.array([card.start, card.end]), clock)
    for panel in axes:
        # The edge is what is seen of an event of one row.
        panel.axvspan(during[0], during[1], color=GREY, alpha=0.35, linewidth=3)
    _draw_score(axes[0], card, clock)
    for panel, column in zip(axes[1:], card.columns, strict=True):
        draw_column(panel, column, clock)
    mark_time(axes[-1])
    return figure


def draw_column(panel: Axes, column: ColumnLine, clock: WallClock) -> None:
    """Draw what was observed of a column, what was expected, and its normal band."""
    time, values = clock_times(column.line.time, clock), column.line.values
    panel.fill_between(time, values["low"], values["high"], color=_BAND, linewidth=0)
    panel.plot(time, values["expected"], color=BLUE, linewidth=1, linestyle="--")
    panel.plot(time, values["observed"], color=DARK, linewidth=1.2)
    unit = f" ({column.unit})" if column.unit else ""
    name_panel(panel, f"{column.name[:_NAME]}{unit}: observed, expected (dashed), normal band")


def clock_times(time: Int64, clock: WallClock) -> np.ndarray:
    """Return timestamps (ns) as the clock shows them, for an axis."""
    return np.asarray((time + clock.offset(time)).astype("datetime64[ns]"))


def _draw_score(panel: Axes, card: Card, clock: WallClock) -> None:
    event, line = card.event, card.scores
    panel.axhline(event.threshold, color=RED, linewidth=1, linestyle="--")
    if line is not None:
        score = line.values["score"]
        panel.plot(clock_times(line.time, clock), score, color=DARK, linewidth=1.2)
    name_panel(panel, "score, and its threshold (dashed)")


def name_panel(panel: Axes, text: str) -> None:
    """Name a panel at its top left; the text is no formula."""
    panel.set_title(text, fontsize=9, loc="left", parse_math=False)


def mark_time(panel: Axes) -> None:
    """Mark round times on the lower axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    # By default hours are marked from five on, and less than five are too many half hours.
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
