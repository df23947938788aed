"""The variants by name: what a training step computes beside the error, and what the code is like.

A new variant is one step and one entry here, and its name in settings.py.
"""

from __future__ import annotations

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

# Of the weights tried on the sample (0.02 to 1) those that lower activations and let a window of
# four cells be learnt: with 0.5 all units of sparse_l1 die there.
_SPARSITY_L1, _SPARSITY_KL = 0.1, 1.0

# (B, T, D + K) -> reconstruction (B, T, D) and the weighted regulariser ().
Step = Callable[["Autoencoder", Tensor, Generator], tuple[Tensor, Tensor | float]]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What makes an autoencoder that variant."""

    step: Step  # what training computes; scoring is encode and decode for all
    network: type[Autoencoder] | None = None  # None: the backbone
    bend: ActivationName | None = None  # what the code goes through; None: the backbone's choice
    wide: bool = False  # whether its code may be wider than the window
    gaussian: bool = False  # whether the encoder gives mean and log variance of the code


def make_network(settings: ModelSettings, sizes: Sizes) -> Autoencoder:
    """Build the network of a variant and backbone, its first weights from torch's generator."""
    return (VARIANTS[settings.variant].network or BACKBONES[settings.backbone])(settings, sizes)


def plain_step(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, float]:
    """Reconstruct, and nothing else.

    `undercomplete`: a code narrower than the window is the only constraint. Fails when the code is
    as wide as the window: it copies; and when anomalies lie on the manifold of the normal: it
    reconstructs them too. `linear` by gradient does the same.
    """
    del generator
    return model(windows), 0.0


def sparse_l1(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Sum of the activations: a few units explain each window, others another's.

    Fails when the weight is so large that units die, or so small that a wide code copies.
    """
    del generator
    code = model.encode(windows)
    weight = model.settings.sparsity
    return model.decode(code), (_SPARSITY_L1 if weight is None else weight) * l1(code)


def sparse_kl(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Each unit is active, between 0 and 1, for a small share of the windows.

    Fails when batches are small, and when all units are a little active in every window: their
    means are then at the target too.
    """
    del generator
    settings = model.settings
    code = model.encode(windows)
    penalty = kl_sparsity(code, target=settings.sparsity_target)
    weight = _SPARSITY_KL if settings.sparsity is None else settings.sparsity
    return model.decode(code), weight * penalty


def denoising(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, float]:
    """Reconstruct the clean window from a corrupted one: noise is led back to the manifold.

    The context columns stay clean. Fails when the noise is not of the size of the data's own
    variation: too little teaches to copy, too much to return the mean.

    Vincent, Larochelle, Bengio, Manzagol: Extracting and composing robust features (ICML 2008).
    """
    settings, columns = model.settings, model.sizes.outputs
    corrupt = CORRUPTIONS[settings.noise]
    cells = corrupt(windows[:, :, :columns], level=settings.noise_level, generator=generator)
    return model(torch.cat([cells, windows[:, :, columns:]], dim=2)), 0.0


def contractive(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Squared norm of the code's Jacobian: the code moves only where the data make it.

    Exact for a shallow dense encoder with sigmoid, tanh or relu, estimated for any other. Fails
    in that a small code with a large decoder contracts nothing and has a small penalty: encoder
    and decoder do not share their weights as those of the paper do.
    """
    settings = model.settings
    windows = windows.detach().requires_grad_()
    code = model.encode(windows)
    if model.only_layer is not None and model.sizes.bend in SLOPES:
        slope = SLOPES[model.sizes.bend](code)
        penalty = contraction_of_layer(code, model.only_layer, slope=slope)
    else:
        signs = torch.randint(2, code.shape, generator=generator, device=code.device)
        penalty = contraction_by_probes(code, windows, 2.0 * signs - 1)
    return model.decode(code), settings.contraction * penalty


def variational(model: Autoencoder, windows: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """A Gaussian code, drawn in training and taken at its mean in scoring.

    Fails by collapse: when beta is large beside the error, the code says nothing and every window
    is reconstructed as the mean.

    Kingma, Welling: Auto-encoding variational Bayes (2014), equation 10; beta as in Higgins et
    al.: beta-VAE (ICLR 2017), equation 4.
    """
    mean, log_variance = model.encode_all(windows).chunk(2, dim=1)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    code = mean + (0.5 * log_variance).exp() * noise
    penalty = kl_gaussian(mean, log_variance).mean()
    return model.decode(code), model.settings.beta * penalty


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
