"""The training loss: the squared error of a batch plus the penalty of the variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from aedetect.arrays import Int64
    from aedetect.models.base import Autoencoder
    from aedetect.models.variants import Step
    from aedetect.preprocessing import Windows

_CHUNK = 4_096  # windows per batch in evaluation


def error_of(model: Autoencoder, windows: Windows) -> float:
    """Return the mean squared error of uncorrupted windows, without gradients."""
    import torch

    from aedetect.models.variants import plain_step

    model.eval()
    total, noise = 0.0, noise_generator(model, 0)
    with torch.inference_mode():
        for chosen in batches(np.arange(len(windows)), _CHUNK):
            total += loss_of(model, windows, chosen, plain_step, noise).item() * len(chosen)
    return total / len(windows)


def validation_loss_of(model: Autoencoder, windows: Windows, *, error: float, seed: int) -> float:
    """Return the mean training loss, with fixed noise."""
    from aedetect.models import VARIANTS
    from aedetect.models.variants import plain_step

    step = VARIANTS[model.settings.network].step
    if step is plain_step:
        return error
    total, noise = 0.0, noise_generator(model, seed)
    for chosen in batches(np.arange(len(windows)), _CHUNK):  # penalties may need gradients
        total += loss_of(model, windows, chosen, step, noise).item() * len(chosen)
    return total / len(windows)


def loss_of(
    model: Autoencoder, windows: Windows, chosen: Int64, step: Step, noise: torch.Generator
) -> Tensor:
    """Return the mean squared error over the observed cells plus the regulariser per cell."""
    import torch
    from torch.nn.functional import mse_loss

    values = torch.from_numpy(windows.values(chosen)).to(noise.device)
    rebuilt, penalty = step(model, values, noise)
    cells = values[:, :, : model.sizes.outputs]
    if windows.complete:
        error = mse_loss(rebuilt, cells)
    else:
        observed = torch.from_numpy(windows.cells(chosen)).to(noise.device)
        total = mse_loss(rebuilt * observed, cells * observed, reduction="sum")
        error = total / observed.sum().clamp(min=1)
    return error + penalty / model.sizes.cells


def batches(order: Int64, size: int) -> list[Int64]:
    """Split indices into batches of at most `size`."""
    return [order[start : start + size] for start in range(0, len(order), size)]


def noise_generator(model: Autoencoder, seed: int) -> torch.Generator:
    """Return a seeded generator on the device of the model."""
    import torch

    return torch.Generator(next(model.parameters()).device).manual_seed(seed)
