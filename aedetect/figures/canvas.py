"""Common parts of the figures: size, colours, atomic writes. Global Matplotlib state is kept."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 8.0, 100  # inches, pixels per inch: the width of a README
_COLORS = 200  # in the palette of a file
RED, BLUE, GREY, DARK = "#c0392b", "#2c6fbb", "#b5b5b5", "#333333"


def new_figure(title: str, *, panels: int, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels side by side below its title."""
    figure = _empty_figure(title, height)
    axes = figure.subplots(1, panels, squeeze=False)[0].tolist()
    return figure, _open(axes)


def stacked_figure(
    title: str, ratios: Sequence[float], *, height: float
) -> tuple[Figure, list[Axes]]:
    """Return a figure with stacked panels of the given height ratios and one time axis."""
    figure = _empty_figure(title, height)
    axes = figure.subplots(
        len(ratios), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios}
    )
    return figure, _open(axes[:, 0].tolist())


def _empty_figure(title: str, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from aedetect.figures.shown_figure import ShownFigure

    figure = ShownFigure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure


def _open(axes: list[Axes]) -> list[Axes]:
    """Hide the top and right spines of the panels."""
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    return axes


def name_axes(panel: Axes, title: str, *, across: str, up: str) -> None:
    """Set the title and the axis labels of a panel."""
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(across)
    panel.set_ylabel(up)


def legend_below(panel: Axes, *, columns: int = 1, below: float = 0.17) -> None:
    """Place the legend below the axis, outside the data area."""
    shown = panel.legend(
        loc="upper center", bbox_to_anchor=(0.5, -below), ncols=columns, frameon=False, fontsize=9
    )
    for handle in shown.legend_handles:
        if handle is not None:
            handle.set_alpha(1)


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, atomically; return the path."""
    from PIL import Image

    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    with Image.open(drawn) as picture:  # a palette makes the file a third as large
        picture.convert("RGB").quantize(_COLORS).save(aside, format="png", optimize=True)
    aside.replace(path)
    return path
