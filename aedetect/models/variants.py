"""The variants by name: the training step and the kind of latent vector of each.

To add a variant, write one step and one entry here, and add its name to settings.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from aedetect.models.convolutional import Convolutional
from aedetect.models.corruption import CORRUPTIONS
from aedetect.models.dense import Dense
from aedetect.models.linear import Linear
from aedetect.models.regularisers import (
    SLOPES,
    contraction_by_probes,
    contraction_of_layer,
    kl_gaussian,
    kl_sparsity,
    l1,
)

if TYPE_CHECKING:
    from aedetect.models.base import Autoencoder
    from aedetect.models.settings import (
        ActivationName,
        BackboneName,
        ModelSettings,
        Sizes,
        VariantName,
    )

_GENERATOR_LOCK = threading.Lock()  # initial weights come from the process-wide torch generator
# Of the weights tried on the sample (0.02 to 1), these lower the activations and still fit a window
# of four cells: with 0.5 all units of sparse_l1 die there.
_SPARSITY_L1, _SPARSITY_KL = 0.1, 1.0

# (B, T, D + K) -> reconstruction (B, T, D) and the weighted regulariser ().
Step = Callable[["Autoencoder", Tensor, Generator], tuple[Tensor, Tensor | float]]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The definition of a variant."""

    step: Step  # computed in training; scoring only encodes and decodes
    network: type[Autoencoder] | None = None  # None: the backbone
    bend: ActivationName | None = None  # of the latent; None: the default of the backbone
    wide: bool = False  # whether its latent vector may be wider than the window
    gaussian: bool = False  # whether the encoder returns mean and log variance


def make_network(settings: ModelSettings, sizes: Sizes, *, seed: int = 0) -> Autoencoder:
    """Build the network; its initial weights depend only on the seed.

    They come from the global generator of torch, whose state is restored afterwards.
    """
    with _GENERATOR_LOCK, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not those of the accelerators
        return (VARIANTS[settings.network].network or BACKBONES[settings.backbone])(settings, sizes)


def plain_step(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, float]:
    """Reconstruct without a penalty.

    `undercomplete`: the only constraint is a latent vector narrower than the window. Fails when the
    latent vector is as wide as the window, because the network copies its input, and when anomalies
    lie on the manifold of the normal data, because they are reconstructed too. `linear` uses the
    same step when trained by gradient.
    """
    del generator
    return model(windows), 0.0


def sparse_l1(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Penalise the sum of the activations, so that few units are active in each window.

    Fails when the weight is so large that units die, or so small that a wide latent vector copies.
    """
    del generator
    latent = model.encode(windows)
    weight = model.settings.sparsity
    return model.decode(latent), (_SPARSITY_L1 if weight is None else weight) * l1(latent)


def sparse_kl(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Penalise units whose mean activation is far from a small target.

    Fails when batches are small, and when all units are slightly active in every window: their
    means then match the target too.
    """
    del generator
    settings = model.settings
    latent = model.encode(windows)
    penalty = kl_sparsity(latent, target=settings.sparsity_target)
    weight = _SPARSITY_KL if settings.sparsity is None else settings.sparsity
    return model.decode(latent), weight * penalty


def denoising(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, float]:
    """Reconstruct the clean window from a corrupted one, which maps noise back to the manifold.

    The context columns are not corrupted. Fails when the noise level does not match the variation
    of the data: with too little the network copies, with too much it returns the mean.

    Vincent, Larochelle, Bengio, Manzagol: Extracting and composing robust features (ICML 2008).
    """
    settings, columns = model.settings, model.sizes.outputs
    corrupt = CORRUPTIONS[settings.noise]
    cells = corrupt(windows[:, :, :columns], level=settings.noise_level, generator=generator)
    return model(torch.cat([cells, windows[:, :, columns:]], dim=2)), 0.0


def contractive(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Penalise the squared norm of the Jacobian of the latent vector: it is locally constant.

    Exact for a shallow dense encoder with sigmoid, tanh or relu, estimated for any other. Fails
    when a small latent vector with a large decoder avoids the penalty without contracting: unlike
    in the paper, encoder and decoder do not share their weights.
    """
    settings = model.settings
    windows = windows.detach().requires_grad_()
    latent = model.encode(windows)
    if model.single_layer_weight is not None and model.sizes.bend in SLOPES:
        slope = SLOPES[model.sizes.bend](latent)
        penalty = contraction_of_layer(latent, model.single_layer_weight, slope=slope)
    else:
        signs = torch.randint(2, latent.shape, generator=generator, device=latent.device)
        penalty = contraction_by_probes(latent, windows, 2.0 * signs - 1)
    return model.decode(latent), settings.contraction * penalty


def variational(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Sample a Gaussian latent vector in training; scoring uses its mean.

    Fails by posterior collapse: when beta is large relative to the error, the latent vector carries
    no information and every window is reconstructed as the mean.

    Kingma, Welling: Auto-encoding variational Bayes (2014), equation 10; beta as in Higgins et
    al.: beta-VAE (ICLR 2017), equation 4.
    """
    mean, log_variance = model.encode_all(windows).chunk(2, dim=1)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    latent = mean + (0.5 * log_variance).exp() * noise
    penalty = kl_gaussian(mean, log_variance).mean()
    return model.decode(latent), model.settings.beta * penalty


BACKBONES: dict[BackboneName, type[Autoencoder]] = {
    "dense": Dense,
    "convolutional": Convolutional,
}
VARIANTS: dict[VariantName, Variant] = {
    "undercomplete": Variant(step=plain_step),
    "linear": Variant(step=plain_step, network=Linear),
    "sparse_l1": Variant(step=sparse_l1, bend="relu", wide=True),
    "sparse_kl": Variant(step=sparse_kl, bend="sigmoid", wide=True),
    "denoising": Variant(step=denoising),
    "contractive": Variant(step=contractive),
    "variational": Variant(step=variational, gaussian=True),
}
