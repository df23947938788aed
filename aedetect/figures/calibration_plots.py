"""The figures of a calibration: the tail of the held-out scores, and their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import BLUE, DARK, GREY, RED, name_axes, new_figure, stacked_figure
from aedetect.wording import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aedetect.arrays import Float64
    from aedetect.calibration import Calibration

_POINTS = 2_000  # of a curve
_BINS = 60
_SHARES = (5, 25, 50, 75, 95, 99)  # percentiles of an entity, shown from its own scores
_MAX_ENTITIES = 40  # those with the highest thresholds
_LINE = 0.22  # inches per entity


def draw_calibration(calibration: Calibration) -> Figure:
    """Draw the share of held-out rows above a score, the fitted tail and the threshold.

    The scores are those of all entities pooled, the threshold is the pooled one.
    """
    scores, threshold = calibration.scores, calibration.threshold
    rows = len(scores)
    own = len(calibration.own)
    pooled = f", pooled; {own} entities have thresholds of their own" if own else ""
    figure, (panel,) = new_figure(
        f"Calibration {calibration.version}: {rows:,} held-out scores{pooled}", panels=1
    )
    kept = np.unique(np.geomspace(1, rows, min(_POINTS, rows)).astype(np.int64))
    panel.plot(
        np.sort(scores)[rows - kept],
        kept / (rows + 1),
        color=BLUE,
        marker=".",
        markersize=3,
        linewidth=1,
        label="held-out rows",
    )
    _draw_tail(panel, calibration)
    panel.axvline(threshold.value, color=RED, label=f"threshold {threshold.value:.4g}")
    aim = f"aimed at: at most {percent(threshold.rate)}"
    panel.axhline(threshold.rate, color=RED, linestyle=":", label=aim)
    panel.set_yscale("log")
    panel.set_ylim(bottom=min(threshold.rate, 1 / (rows + 1)) / 3, top=1.3)
    if float(scores.min()) > 0:
        panel.set_xscale("log")
    name_axes(panel, "", across="score", up="share of rows that score as high")
    panel.legend(frameon=False, fontsize=9)
    return figure


def draw_score_distribution(calibration: Calibration, names: Sequence[str | None]) -> Figure:
    """Draw the held-out scores as a histogram, and by entity with the threshold of each.

    Rows that were left out because they look anomalous are shown apart. `names` are those of the
    entity codes of the held-out rows.
    """
    held_out = calibration.held_out
    codes = np.unique(held_out.entity)
    limits = calibration.thresholds(codes)
    shown = np.sort(codes[np.argsort(-limits, kind="stable")[:_MAX_ENTITIES]])
    lines = _LINE * max(len(shown), 3)
    figure, (above, below) = stacked_figure(
        f"Scores of {len(held_out):,} held-out rows", [2.2, lines], height=3.2 + lines
    )
    bins = _bins(held_out.score, calibration.threshold.value)
    suspect = held_out.suspect | held_out.anomaly
    parts = [held_out.score[~suspect], held_out.score[suspect]]
    labels = ["normal", "left out, or labelled anomalous"]
    count = 1 + bool(suspect.any())
    above.hist(
        parts[:count], bins.tolist(), stacked=True, color=[BLUE, GREY][:count], label=labels[:count]
    )
    above.axvline(calibration.threshold.value, color=RED, label="threshold of all together")
    above.set_yscale("log")
    above.set_ylim(bottom=0.7)
    if bins[0] > 0:
        above.set_xscale("log")
    above.set_ylabel("rows")
    above.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    _draw_entities(below, calibration, shown, names)
    return figure


def _draw_tail(panel: Axes, calibration: Calibration) -> None:
    """Draw the fitted tail from its start to beyond the threshold and the largest score."""
    tail = calibration.reference.tail
    last = max(calibration.threshold.value, float(calibration.scores[-1])) * 1.3
    if not tail.start < last:
        return
    at = np.linspace(tail.start, last, 200)
    fit = "fits" if tail.fits else "does not fit: supports no promise"
    panel.plot(
        at,
        tail.p_values(at),
        color=DARK,
        linestyle="--",
        linewidth=1.2,
        label=f"generalised Pareto tail, shape {tail.shape:.2f} ({fit})",
    )


def _bins(scores: np.typing.ArrayLike, threshold: float) -> Float64:
    """Return the limits of bins that hold all scores and the threshold; by ratio where they can."""
    values = np.append(np.asarray(scores, dtype=np.float64), threshold)
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > low:
        return np.geomspace(low, high, _BINS + 1)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _draw_entities(
    panel: Axes, calibration: Calibration, codes: np.typing.NDArray[np.int32],
    names: Sequence[str | None],
) -> None:  # fmt: skip
    """Draw percentiles of the normal scores of each entity, and its threshold."""
    normal = calibration.held_out.normal
    limits = calibration.thresholds(codes)
    for line, (code, limit) in enumerate(zip(codes.tolist(), limits, strict=True)):
        own = normal.score[normal.entity == code]
        if len(own):
            low, quarter, middle, most, high, extreme = np.percentile(own, _SHARES)
            panel.plot([low, high], [line, line], color=BLUE, linewidth=1)
            panel.plot([quarter, most], [line, line], color=BLUE, linewidth=5)
            panel.plot([middle], [line], color="white", marker="|", markersize=5)
            panel.plot([extreme], [line], color=BLUE, marker=".", markersize=4)
        panel.plot([limit], [line], color=RED, marker="|", markersize=9, markeredgewidth=2)
    known = dict(enumerate(names))
    texts = ["all rows" if known.get(code) is None else str(known[code]) for code in codes.tolist()]
    panel.set_yticks(range(len(codes)), texts, fontsize=8)
    panel.set_ylim(len(codes) - 0.4, -0.6)
    panel.set_xlabel("score; bar: the middle half, line: 5 to 95 %, dot: 99 %, red: threshold")
