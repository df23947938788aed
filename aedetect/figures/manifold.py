"""The data manifold: two columns encoded in one number, by a line and by a curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import BLUE, DARK, GREY, RED, legend_below, name_axes, new_figure
from aedetect.figures.small_networks import (
    decode_windows,
    encode_windows,
    reconstruct_windows,
    train_small,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aedetect.arrays import Float32
    from aedetect.figures.feature_plane import Plane
    from aedetect.models.base import Autoencoder

_LINKS = 60  # rows that are connected to their reconstruction
_STEPS = 300  # latent values along the curve


@dataclass(frozen=True)
class Manifold:
    """Reconstructions of a one-dimensional latent space: curve (S, 2), and those of rows (N, 2)."""

    curve: Float32
    rebuilt: Float32
    error: float  # mean squared error of held-back rows, as a share of the variance


def manifolds(plane: Plane, seed: int) -> dict[str, Manifold]:
    """Return the linear and the non-linear manifold of a one-dimensional latent space."""
    learn, held = plane.learn, plane.held_back
    linear = train_small("linear", learn, held, seed=seed, latent=1)
    nonlinear = train_small(
        "undercomplete", learn, held, seed=seed, latent=1, hidden=(32, 32), activation="tanh"
    )
    return {"linear": _manifold(linear, plane), "non-linear": _manifold(nonlinear, plane)}


def _manifold(model: Autoencoder, plane: Plane) -> Manifold:
    held = plane.held_back.matrix
    latents = encode_windows(model, held)
    swept = np.linspace(latents.min(), latents.max(), _STEPS, dtype=np.float32)[:, None]
    rebuilt = reconstruct_windows(model, held)
    return Manifold(decode_windows(model, swept), rebuilt, float(np.square(held - rebuilt).mean()))


def draw_manifold(plane: Plane, seed: int) -> Figure:
    """Draw rows, the two manifolds, and lines from some rows to their reconstruction."""
    title = f"One number for two columns: {plane.where}"
    figure, panels = new_figure(title, panels=2, height=4.6)
    held = plane.held_back.matrix
    shown = np.linspace(0, len(held) - 1, min(_LINKS, len(held))).astype(int)
    found = manifolds(plane, seed).items()
    for panel, (name, manifold), color in zip(panels, found, (BLUE, RED), strict=True):
        panel.plot(*plane.points.T, ".", color=GREY, ms=2, label="a row")
        for row, end in zip(held[shown], manifold.rebuilt[shown], strict=True):
            panel.plot(*np.stack([row, end]).T, color=DARK, lw=0.7)
        panel.plot([], [], color=DARK, lw=0.7, label="from a row to its reconstruction")
        panel.plot(*manifold.curve.T, color=color, lw=2.5, label="all possible reconstructions")
        low, high = plane.points.min(0) - 0.3, plane.points.max(0) + 0.3
        panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        name_axes(panel, f"{name}: {manifold.error:.0%} of the variance lost", **plane.labels)
        legend_below(panel)
    return figure
