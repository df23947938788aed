"""The picture of one series: its score with the threshold, and the columns to blame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int64
from aedetect.figures.canvas import DARK, RED, stacked_figure
from aedetect.figures.event_card import clock_times, draw_column, mark_time, name_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aedetect.report.cards import ColumnLine
    from aedetect.report.lines import Line
    from aedetect.wall_clock import WallClock

_PANEL = 1.5  # inches
_TALL = 20  # times the threshold, from which the axis of scores is logarithmic
_SHADE = "#f3c9c3"


@dataclass(frozen=True, kw_only=True)
class SeriesPlot:
    """What is drawn of one series. Shapes: begin, end (K,) ns, of the stretches that are flagged.

    `threshold` has the values "threshold", at the times of `scores`.
    """

    title: str
    scores: Line
    begin: Int64
    end: Int64
    columns: tuple[ColumnLine, ...]


def draw_series(plot: SeriesPlot, clock: WallClock) -> Figure:
    """Draw scores over time, flagged stretches shaded, and blamed columns below."""
    panels = 1 + len(plot.columns)
    ratios = [1.4] + [1.0] * len(plot.columns)
    figure, axes = stacked_figure("", ratios, height=0.9 + _PANEL * (panels + 0.4))
    # Names are text: a dollar sign in one begins no formula.
    figure.suptitle(plot.title, fontsize=10, fontweight="bold", parse_math=False)
    begin, end = clock_times(plot.begin, clock), clock_times(plot.end, clock)
    for panel in axes:
        _shade(panel, begin, end)
    _draw_scores(axes[0], plot, clock)
    for panel, column in zip(axes[1:], plot.columns, strict=True):
        draw_column(panel, column, clock)
        panel.set_ylim(*_limits(column.line.values))
    mark_time(axes[-1])
    return figure


def _limits(values: Mapping[str, Float64]) -> tuple[float | None, float | None]:
    """Return the range of an axis that shows all that was observed, and the band."""
    known = np.concatenate([values[name] for name in ("observed", "low", "high")])
    known = known[np.isfinite(known)]
    if not len(known) or known.min() == known.max():
        return None, None
    margin = 0.05 * (known.max() - known.min())
    return float(known.min() - margin), float(known.max() + margin)


def _shade(panel: Axes, begin: np.ndarray, end: np.ndarray) -> None:
    for first, last in zip(begin, end, strict=True):
        # A line of its own width, so that a single row is seen.
        panel.axvspan(first, last, facecolor=_SHADE, edgecolor=_SHADE, linewidth=1, zorder=0)


def _draw_scores(panel: Axes, plot: SeriesPlot, clock: WallClock) -> None:
    time, score = clock_times(plot.scores.time, clock), plot.scores.values["score"]
    threshold = plot.scores.values["threshold"]
    panel.plot(time, score, color=DARK, linewidth=1)
    panel.plot(time, threshold, color=RED, linewidth=1, linestyle="--")
    scale = ""
    with np.errstate(all="ignore"):
        if np.isfinite(score).any() and np.nanmax(score) > _TALL * np.nanmin(threshold) > 0:
            panel.set_yscale("symlog", linthresh=float(np.nanmin(threshold)))
            scale = "; logarithmic above the threshold"
    name_panel(panel, f"score, and its threshold (dashed); flagged times are shaded{scale}")
