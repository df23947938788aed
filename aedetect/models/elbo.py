"""The terms of the negative evidence lower bound (ELBO) of a variational model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from aedetect.models.regularisers import kl_gaussian

if TYPE_CHECKING:
    from aedetect.models.base import Autoencoder

_SEED = 0  # same draws for every window: a score depends only on its window


def draw_last(model: Autoencoder, windows: Tensor) -> Tensor:
    """Reconstruct the last step from several sampled latent vectors: (N, T, D + K) -> (N, 2 D + 1).

    The columns are the mean and variance of the reconstructions (D each), and beta x the KL
    divergence of the latent vector per cell of the window, as in training. The squared distance to
    the mean plus the variance is the mean squared error over the draws. Fails with few draws of a
    wide latent vector, where the fixed draws favour some directions.

    Kingma, Welling: Auto-encoding variational Bayes (2014), equation 10.
    """
    mean, log_variance = model.encode_all(windows).chunk(2, dim=1)
    deviation = (0.5 * log_variance).exp()
    noise = torch.randn(
        model.settings.n_samples, mean.shape[1], generator=Generator().manual_seed(_SEED)
    )
    rebuilt = torch.stack([model.decode_last(mean + deviation * each) for each in noise])
    divergence = model.settings.beta * kl_gaussian(mean, log_variance) / model.sizes.cells
    center = rebuilt.mean(0)
    variance = (rebuilt - center).square().mean(0)
    return torch.cat([center, variance, divergence.unsqueeze(1)], dim=1)
