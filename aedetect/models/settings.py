"""Settings and sizes that define a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from aedetect.errors import ConfigError

VariantName = Literal[
    "undercomplete",
    "linear",
    "sparse_l1",
    "sparse_kl",
    "denoising",
    "contractive",
    "variational",
]
BackboneName = Literal["dense", "convolutional"]
ActivationName = Literal["relu", "gelu", "tanh", "sigmoid"]
# What `variant = "auto"` chooses from: the first unless there is a reason for another. More of them
# gain less than their training costs (docs/internals/detection-log.md).
CANDIDATES: tuple[VariantName, ...] = ("undercomplete", "linear")
NoiseName = Literal["gaussian", "masking", "swap"]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Architecture and regularisation of the autoencoder: `[model]`.

    Regulariser weights are relative to the squared error summed over the cells of a window, as in
    the papers: the loss is that sum plus weight x regulariser.
    """

    variant: VariantName | Literal["auto"] = "auto"  # auto: chosen by evidence in training
    backbone: BackboneName = "dense"  # dense: on the flattened window; convolutional: along time
    # layer widths (convolutional: channels) of the encoder; (): shallow; None: derived
    hidden: tuple[Annotated[int, Ge(1)], ...] | None = None
    latent: Annotated[int, Ge(1)] | None = None  # width of the latent vector; None: derived
    activation: ActivationName = "relu"
    # weight, for sparse_l1 and sparse_kl; None: 0.1 and 1
    sparsity: Annotated[float, Ge(0)] | None = None
    sparsity_target: Annotated[float, Gt(0), Lt(1)] = (
        0.05  # mean activation of the units, for sparse_kl
    )
    noise: NoiseName = "gaussian"  # for denoising
    # for denoising: standard deviation in model units (gaussian), share of cells (masking, swap)
    noise_level: Annotated[float, Ge(0), Le(1)] = 0.2
    contraction: Annotated[float, Ge(0)] = 0.1  # weight, for contractive
    beta: Annotated[float, Ge(0)] = 0.1  # weight, for variational: twice the decoder's variance
    n_samples: Annotated[int, Ge(1)] = 16  # per window, for [calibration] score = "elbo"

    @property
    def network(self) -> VariantName:
        """The variant of a network; the first candidate where it is chosen in training.

        >>> ModelSettings().network
        'undercomplete'
        """
        return CANDIDATES[0] if self.variant == "auto" else self.variant


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Everything that determines the shape of a network."""

    length: int  # T, time steps of a window
    inputs: int  # input columns: features, then context
    outputs: int  # output columns: features
    hidden: tuple[int, ...]
    latent: int  # C, numbers of the latent vector
    encoded: int  # E, encoder outputs: C, or 2 C for mean and log variance
    bend: ActivationName | None  # activation of the latent; None: linear

    @property
    def cells(self) -> int:
        """Output cells of a window."""
        return self.length * self.outputs


def check_backbone(settings: ModelSettings, *, length: int) -> None:
    """Raise ConfigError when the backbone does not support the window length or hidden layers."""
    if settings.backbone == "dense":
        return
    if length < 2:  # noqa: PLR2004 - no time axis to convolve along
        raise ConfigError(
            '[model] backbone = "convolutional" needs [window] length of at least 2 rows, got '
            f'{length}: raise it, or use backbone = "dense"'
        )
    if settings.hidden == ():
        raise ConfigError(
            '[model] backbone = "convolutional" needs at least one hidden layer, got hidden = '
            "[]: leave it out, or give channels such as [32, 32]"
        )
