"""The latent plane: latent vectors of held-out rows, coloured by their anomaly score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import name_axes, new_figure
from aedetect.figures.small_networks import ROWS, encode_windows, reconstruct_windows, train_small
from aedetect.preprocessing import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aedetect.arrays import Float32
    from aedetect.training import PreparedRows


@dataclass(frozen=True)
class Latent:
    """Latent vectors (N, 2) and mean squared residuals (N,) of held-out rows."""

    latents: Float32
    score: Float32


def latent(prepared: PreparedRows, seed: int) -> Latent:
    """Train with a latent space of two dimensions, and score the held-out rows."""
    windows = prepared.windows
    model = train_small(
        "undercomplete", windows[Part.LEARN], windows[Part.VALIDATE],
        seed=seed, latent=2, hidden=(64,), activation="tanh",
    )  # fmt: skip
    held, seen = windows[Part.CALIBRATE].thin(ROWS).take(slice(None))
    values, observed = held[:, 0], seen[:, 0]
    squared = (
        np.square(values[:, : observed.shape[1]] - reconstruct_windows(model, values)) * observed
    )
    score = squared.sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    return Latent(encode_windows(model, values), np.asarray(score, dtype=np.float32))


def draw_latent(prepared: PreparedRows, seed: int) -> Figure:
    """Draw the latent vectors coloured by the logarithm of the score, the highest scores on top."""
    from matplotlib.colors import LogNorm

    found = latent(prepared, seed)
    columns = prepared.windows[Part.LEARN].observed.shape[1]
    figure, (panel,) = new_figure(
        f"{columns} columns in two latent dimensions: {len(found.latents):,} held-out rows",
        panels=1, height=5.4,
    )  # fmt: skip
    order = np.argsort(found.score)
    low, high = np.maximum(np.quantile(found.score, [0.02, 0.999]), 1e-6)
    dots = panel.scatter(
        found.latents[order, 0],
        found.latents[order, 1], c=found.score[order], s=7, cmap="viridis_r",
        norm=LogNorm(low, max(high, low * 1.01)),
    )  # fmt: skip
    bar = figure.colorbar(dots, ax=panel, extend="both", pad=0.02)
    bar.set_label("score: mean squared residual (variances)")
    name_axes(
        panel,
        "each dot is a row; darker means a larger reconstruction error",
        across="first latent dimension (no unit)",
        up="second latent dimension (no unit)",
    )
    return figure
