"""Contraction: how far a reconstruction follows a row moved along and across the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import BLUE, DARK, GREY, RED, legend_below, name_axes, new_figure
from aedetect.figures.small_networks import reconstruct_windows, train_small

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from aedetect.arrays import Float32
    from aedetect.figures.feature_plane import Plane
    from aedetect.models.base import Autoencoder

_NEAR = 150  # neighbours for the local direction of the data
_PLACES = 200  # rows at which slopes are measured, evenly spaced
_SHOWN = 12  # crosses drawn
_REACH = 0.5  # standard deviations, the largest move of a row
_STEP = 0.05  # standard deviations, for slopes
# Shallow, as in the paper. Two latent vectors behind tanh layers contracted nearly nothing on the
# sample (median slopes 0.98 along, 0.92 across with the same weight; 2026-11-23): the decoder
# undoes it.
_WEIGHT = 5.0


@dataclass(frozen=True)
class Contraction:
    """Reconstructions of moved rows. Shapes: P places, S moves; index 0 is along, 1 across."""

    places: Float32  # (P, 2)
    directions: Float32  # (2, P, 2), of length 1
    moves: Float32  # (S,) standard deviations
    followed: Float32  # (2, P, S) move of the reconstruction in the same direction
    slopes: Float32  # (2, P) of the reconstruction at the places


def contraction(plane: Plane, seed: int) -> Contraction:
    """Train a contractive network, and move rows along the data and across."""
    model = train_small(
        "contractive", plane.learn, plane.held_back, seed=seed,
        latent=16, hidden=(), activation="sigmoid", contraction=_WEIGHT,
    )  # fmt: skip
    held = plane.held_back.matrix
    places = held[np.linspace(0, len(held) - 1, min(_PLACES, len(held))).astype(int)]
    along = _directions(places, plane.points)
    directions = np.stack([along, along[:, ::-1] * np.array([-1, 1], np.float32)])
    moves = np.linspace(-_REACH, _REACH, 41, dtype=np.float32)
    followed = _follow(model, places, directions, moves)
    ends = _follow(model, places, directions, np.array([-_STEP, _STEP], np.float32))
    return Contraction(places, directions, moves, followed, np.diff(ends)[..., 0] / (2 * _STEP))


def _directions(places: Float32, points: Float32) -> Float32:
    """Return the principal direction of the rows near each place: (P, 2), (N, 2) -> (P, 2)."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(_NEAR, len(points))).fit(points)
    around = points[near.kneighbors(places, return_distance=False)]
    centered = around - around.mean(axis=1, keepdims=True)
    return np.asarray(np.linalg.svd(centered, full_matrices=False)[2][:, 0])


def _follow(model: Autoencoder, places: Float32, directions: Float32, moves: Float32) -> Float32:
    """Return the move of each reconstruction in the direction of its row: -> (2, P, S)."""
    moved = places[:, None] + moves[:, None] * directions[:, :, None]  # (2, P, S, 2)
    rebuilt = reconstruct_windows(model, moved.reshape(-1, 2)).reshape(moved.shape)
    way = rebuilt - reconstruct_windows(model, places)[:, None]
    return np.asarray((way * directions[:, :, None]).sum(-1))


def draw_contraction(plane: Plane, seed: int) -> Figure:
    """Draw slopes as crosses on the data, and the median move of a reconstruction."""
    found = contraction(plane, seed)
    figure, panels = new_figure(
        f"Contraction across the data, not along them: {plane.where}", panels=2, height=4.6
    )
    _draw_crosses(panels[0], plane, found)
    _draw_slopes(panels[1], found)
    return figure


def _draw_crosses(panel: Axes, plane: Plane, found: Contraction) -> None:
    panel.plot(*plane.points.T, ".", color=GREY, ms=2, label="a row")
    for place in _spread_out(found.places):
        for way, color in enumerate((BLUE, RED)):
            arm = found.directions[way, place] * found.slopes[way, place] * _REACH
            ends = np.stack([found.places[place] - arm, found.places[place] + arm])
            panel.plot(*ends.T, color=color, lw=2.2)
    panel.plot([], [], color=BLUE, lw=2, label="slope of x̂ along the data")
    panel.plot([], [], color=RED, lw=2, label="slope of x̂ across the data")
    panel.set_aspect("equal", adjustable="datalim")
    name_axes(panel, "the longer an arm, the larger the slope", **plane.labels)
    legend_below(panel)


def _spread_out(places: Float32) -> list[int]:
    """Choose places far from each other, greedily: (P, 2)."""
    chosen = [0]
    far: Float32 = np.full(len(places), np.inf, dtype=np.float32)
    for _ in range(min(_SHOWN, len(places)) - 1):
        far = np.minimum(far, np.linalg.norm(places - places[chosen[-1]], axis=1))
        chosen.append(int(far.argmax()))
    return chosen


def _draw_slopes(panel: Axes, found: Contraction) -> None:
    panel.plot(found.moves, found.moves, color=DARK, lw=1, ls="--", label="x̂ = x: copied")
    for way, (name, color) in enumerate((("along", BLUE), ("across", RED))):
        low, middle, high = np.quantile(found.followed[way], [0.25, 0.5, 0.75], axis=0)
        slope = np.median(found.slopes[way])
        panel.fill_between(found.moves, low, high, color=color, alpha=0.2, lw=0)
        panel.plot(
            found.moves, middle, color=color, lw=2, label=f"moved {name}: median slope {slope:.2f}"
        )
    name_axes(
        panel,
        "how far x̂ follows a row (band: half the rows)",
        across="row moved by (standard deviations)",
        up="x̂ moved by (standard deviations)",
    )
    legend_below(panel)
