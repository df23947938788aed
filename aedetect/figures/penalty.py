"""The KL penalty of a sparse latent vector, and the mean activations of trained units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.figures.canvas import BLUE, DARK, GREY, RED, legend_below, name_axes, new_figure
from aedetect.figures.small_networks import ROWS, encode_windows, train_small
from aedetect.preprocessing import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aedetect.arrays import Float32
    from aedetect.training import PreparedRows

TARGET = 0.2
_UNITS = 24
_WEIGHT = 2.0
RHO, MEAN = (
    "\N{GREEK SMALL LETTER RHO}",
    "\N{GREEK SMALL LETTER RHO}\N{COMBINING CIRCUMFLEX ACCENT}",
)


@dataclass(frozen=True)
class Penalty:
    """The penalty (S,) at mean activations (S,), and the units' mean activations (C,)."""

    mean: Float32
    value: Float32
    free: Float32  # of a latent vector trained without the penalty
    held: Float32  # of a latent vector trained with it


def penalty_at(mean: Float32) -> Float32:
    """Return the training penalty for mean activations of a unit: (S,) -> (S,)."""
    import torch

    from aedetect.models.regularisers import kl_sparsity

    latents = torch.from_numpy(mean).view(-1, 1, 1)
    return np.array(
        [kl_sparsity(latent, target=TARGET).item() for latent in latents], dtype=np.float32
    )


def penalty(prepared: PreparedRows, seed: int) -> Penalty:
    """Compute the curve, and train a sigmoid latent vector without and with the penalty."""
    learn, validate = prepared.windows[Part.LEARN], prepared.windows[Part.VALIDATE]
    rows = validate.thin(ROWS).take(slice(None))[0][:, 0]
    means = []
    for weight in (0.0, _WEIGHT):
        model = train_small(
            "sparse_kl", learn, validate, seed=seed,
            latent=_UNITS, hidden=(), sparsity=weight, sparsity_target=TARGET,
        )  # fmt: skip
        means.append(encode_windows(model, rows).mean(0))
    grid = np.linspace(0.01, 0.99, 99, dtype=np.float32)
    return Penalty(grid, penalty_at(grid), *means)


def draw_penalty(prepared: PreparedRows, seed: int) -> Figure:
    """Draw the curve with the units on it."""
    found = penalty(prepared, seed)
    figure, (panel,) = new_figure(
        f"Penalty of the mean activation of a unit, target {RHO} = {TARGET}", panels=1
    )
    panel.axvline(TARGET, color=GREY, lw=1, ls="--")
    panel.plot(found.mean, found.value, color=DARK, lw=2, label=f"KL({RHO} ‖ {MEAN})")
    for means, color, name in (
        (found.free, BLUE, "a unit trained without the penalty"),
        (found.held, RED, "a unit trained with it"),
    ):
        panel.plot(means, penalty_at(means), "o", color=color, ms=6, alpha=0.7, label=name)
    panel.set_xlim(0, 1)
    panel.text(TARGET + 0.01, found.value.max(), f"{RHO} = {TARGET}: no penalty", fontsize=9)
    name_axes(
        panel,
        f"{_UNITS} sigmoid units on {prepared.windows[Part.LEARN].observed.shape[1]} columns, "
        "validation rows",
        across=f"{MEAN}: mean activation of a unit (0 to 1)",
        up="penalty (nats)",
    )
    legend_below(panel, columns=3)
    return figure
