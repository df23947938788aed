"""Which latent units are active in which rows, without and with a sparsity penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import name_axes, new_figure
from aedetect.figures.small_networks import encode_windows, train_small
from aedetect.preprocessing import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aedetect.arrays import Float32
    from aedetect.training import PreparedRows

_ROWS = 120  # shown, evenly spaced
_UNITS = 64
_WEIGHT = 0.5
ACTIVE = 0.05  # below this share of its largest activation, a unit counts as silent


def activations(prepared: PreparedRows, seed: int) -> dict[str, Float32]:
    """Return the latent vectors of validation rows, by name of the penalty: (R, C) each."""
    learn, validate = prepared.windows[Part.LEARN], prepared.windows[Part.VALIDATE]
    rows = validate.thin(_ROWS).take(slice(None))[0][:, 0]
    latents = {}
    for name, weight in (("no penalty", 0.0), (f"λ Σ|a|, λ = {_WEIGHT:g}", _WEIGHT)):
        model = train_small(
            "sparse_l1", learn, validate, seed=seed, latent=_UNITS, hidden=(), sparsity=weight
        )
        latents[name] = encode_windows(model, rows)
    return latents


def of_largest(latent: Float32) -> Float32:
    """Return activations as shares of each unit's largest, 0 for a dead unit: (R, C)."""
    return np.asarray(latent / np.maximum(latent.max(axis=0), 1e-6))


def active_share(latent: Float32) -> float:
    """Return the share of activations that are not silent: (R, C)."""
    return float((of_largest(latent) > ACTIVE).mean())


def draw_activations(prepared: PreparedRows, seed: int) -> Figure:
    """Draw the activations of units against rows."""
    figure, panels = new_figure("Which units are active in which rows", panels=2, height=5.0)
    for panel, (name, latent) in zip(panels, activations(prepared, seed).items(), strict=True):
        shares = of_largest(latent)
        order = np.argsort(-(shares > ACTIVE).mean(0))
        image = panel.imshow(
            shares[:, order], aspect="auto", cmap="magma_r", vmin=0, vmax=1, interpolation="nearest"
        )
        name_axes(
            panel,
            f"{name}: {active_share(latent):.0%} active",
            across=f"{_UNITS} units, the most often active first",
            up="validation row" if panel is panels[0] else "",
        )
    bar = figure.colorbar(image, ax=panels, location="bottom", pad=0.03, aspect=50)
    bar.set_label("activation, as a share of the unit's largest")
    return figure
