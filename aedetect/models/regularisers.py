"""Penalties added to the reconstruction error: functions of activations, latent vectors and inputs.

They are independent of the network. Each returns one number for a batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_EPSILON = (
    1e-6  # mean activations are clamped this far from 0 and 1: a finite penalty for dead units
)

# The derivative of an activation, as a function of its output.
SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda latent: latent * (1 - latent),
    "tanh": lambda latent: 1 - latent.square(),
    "relu": lambda latent: (latent > 0).to(latent.dtype),
}


def l1(latent: Tensor) -> Tensor:
    """Sum of the absolute activations, mean over the batch: (B, C) -> ().

    Goodfellow, Bengio, Courville: Deep Learning (2016), section 14.2.1. Fails when the decoder
    is free to grow: small activations then cost nothing.

    >>> l1(torch.tensor([[1.0, -2.0], [0.0, 1.0]])).item()
    2.0
    """
    return latent.abs().sum(1).mean()


def kl_sparsity(latent: Tensor, *, target: float) -> Tensor:
    """Divergence of each unit's mean activation from the target, summed: (B, C) in [0, 1] -> ().

    Ng: Sparse autoencoder (CS294A lecture notes, 2011), page 15. Fails on small batches: the
    penalty uses the batch mean, so a batch of one pulls every unit to the target.

    >>> kl_sparsity(torch.tensor([[0.1], [0.3]]), target=0.2).item()
    0.0
    """
    mean = latent.mean(0).clamp(_EPSILON, 1 - _EPSILON)
    on = target * (target / mean).log()
    off = (1 - target) * ((1 - target) / (1 - mean)).log()
    return (on + off).sum()


def contraction_of_layer(latent: Tensor, weight: Tensor, *, slope: Tensor) -> Tensor:
    """Exact squared Frobenius norm of the Jacobian of one non-linear layer, mean over the batch.

    Shapes: latent and its slope (B, C), weight (C, I) -> ().

    Rifai, Vincent, Muller, Glorot, Bengio: Contractive auto-encoders (ICML 2011), section 5.3.
    """
    assert slope.shape == latent.shape, "one slope per activation"
    return (slope.square() @ weight.square().sum(1)).mean()


def contraction_by_probes(latent: Tensor, windows: Tensor, probes: Tensor) -> Tensor:
    """Estimate the squared Frobenius norm of the Jacobian of a latent vector, mean over the batch.

    Shapes: latent (B, C) computed from windows (B, T, I) that require a gradient, probes (B, C) of
    independent entries with mean 0 and variance 1 -> (). For such a probe v, E |v J|^2 = |J|^2, at
    the cost of one gradient. Unbiased; with entries of +1 and -1 the variance of a row is
    2 (|A|^2 - sum of A_ii^2), A = J J^T (C, C): zero for one latent dimension, and small compared
    with the variance between rows of a batch. Requires that rows of a batch are independent.

    Hutchinson: A stochastic estimator of the trace (1990), proposition 1.
    """
    (pulled,) = torch.autograd.grad(latent, windows, probes, create_graph=True)
    return pulled.flatten(1).square().sum(1).mean()


def kl_gaussian(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mean, variance) from N(0, 1) for each row: (B, C), (B, C) -> (B,).

    Kingma, Welling: Auto-encoding variational Bayes (2014), appendix B.

    >>> kl_gaussian(torch.zeros(1, 3), torch.zeros(1, 3)).item()
    0.0
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
