"""The vector field of a denoising autoencoder: from each point to its reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64
from aedetect.figures.canvas import GREY, legend_below, name_axes, new_figure
from aedetect.figures.small_networks import reconstruct_windows, train_small

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aedetect.arrays import Float32
    from aedetect.figures.feature_plane import Plane

_SIDE = 18  # arrows per axis
_MARGIN = 0.4  # standard deviations, margin of the field around the data
NOISE = 0.5  # standard deviations of the training noise


@dataclass(frozen=True)
class Field:
    """Grid points (G, 2), their reconstructions (G, 2), and distances to the data (G,)."""

    points: Float32
    rebuilt: Float32
    before: Float64  # from each point to the nearest row
    after: Float64  # from each reconstruction to the nearest row


def field(plane: Plane, seed: int) -> Field:
    """Train on gaussian noise, and reconstruct a grid around the data."""
    model = train_small(
        "denoising", plane.learn, plane.held_back, seed=seed,
        latent=8, hidden=(64, 64), activation="gelu", noise_level=NOISE,
    )  # fmt: skip
    low, high = plane.points.min(0) - _MARGIN, plane.points.max(0) + _MARGIN
    axes = [np.linspace(*ends, _SIDE, dtype=np.float32) for ends in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    rebuilt = reconstruct_windows(model, grid)
    return Field(grid, rebuilt, _nearest(grid, plane), _nearest(rebuilt, plane))


def _nearest(points: Float32, plane: Plane) -> Float64:
    """Return the distance to the nearest row: (G, 2) -> (G,)."""
    from sklearn.neighbors import NearestNeighbors

    distance, _ = NearestNeighbors(n_neighbors=1).fit(plane.points).kneighbors(points)
    return np.asarray(distance[:, 0])


def draw_field(plane: Plane, seed: int) -> Figure:
    """Draw the rows, and from each grid point an arrow of half the way to its reconstruction."""
    found = field(plane, seed)
    figure, (panel,) = new_figure(
        f"Vector field of a denoising autoencoder: {plane.where}", panels=1, height=5.4
    )
    panel.plot(*plane.points.T, ".", color=GREY, ms=2, label="a row")
    way = found.rebuilt - found.points
    arrows = panel.quiver(
        *found.points.T, *(way / 2).T, np.hypot(*way.T),
        angles="xy", scale_units="xy", scale=1, width=0.003, cmap="plasma_r",
    )  # fmt: skip
    bar = figure.colorbar(arrows, ax=panel, pad=0.02)
    bar.set_label("length of x → x̂ (standard deviations)")
    name_axes(
        panel,
        "arrows: from a point x towards its reconstruction x̂, half the way",
        **plane.labels,
    )
    legend_below(panel, below=0.1)
    return figure
