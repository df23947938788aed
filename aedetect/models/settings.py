"""What a model is built from: settings and sizes."""

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
NoiseName = Literal["gaussian", "masking", "swap"]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which autoencoder: `[model]`.

    Weights of regularisers count against the squared error summed over a window's cells, as in the
    papers: the loss is that sum plus weight x regulariser.
    """

    variant: VariantName = "undercomplete"
    backbone: BackboneName = "dense"  # dense: the window as one row; convolutional: along time
    # widths (convolutional: channels) up to the code; () is shallow; None: derived
    hidden: tuple[Annotated[int, Ge(1)], ...] | None = None
    latent: Annotated[int, Ge(1)] | None = None  # width of the code; None: derived
    activation: ActivationName = "relu"
    # weight, for sparse_l1 and sparse_kl; None: 0.1 and 1
    sparsity: Annotated[float, Ge(0)] | None = None
    sparsity_target: Annotated[float, Gt(0), Lt(1)] = 0.05  # mean activation of sparse_kl's units
    noise: NoiseName = "gaussian"  # of denoising
    # of denoising: standard deviation in spreads (gaussian), share of cells (masking, swap)
    noise_level: Annotated[float, Ge(0), Le(1)] = 0.2
    contraction: Annotated[float, Ge(0)] = 0.1  # weight, for contractive
    beta: Annotated[float, Ge(0)] = 0.1  # weight, for variational: twice the decoder's variance
    draws: Annotated[int, Ge(1)] = 16  # codes a window that [calibration] score = "elbo" looks at


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Everything that fixes a network's shape."""

    length: int  # T, time steps of a window
    inputs: int  # columns that go in: those of the features, then those of the context
    outputs: int  # columns that come out: those of the features
    hidden: tuple[int, ...]
    latent: int  # C, numbers of the code
    encoded: int  # E, numbers that the encoder gives: C, or 2 C for mean and log variance
    bend: ActivationName | None  # what the code goes through; None: it is linear

    @property
    def cells(self) -> int:
        """Cells of a window that come out."""
        return self.length * self.outputs


def check_backbone(settings: ModelSettings, *, length: int) -> None:
    """Raise ConfigError when the backbone cannot work on windows so short or without layers."""
    if settings.backbone == "dense":
        return
    if length < 2:  # noqa: PLR2004 - there is no time to go along
        raise ConfigError(
            '[model] backbone = "convolutional" needs [window] length of at least 2 rows, got '
            f'{length}: raise it, or use backbone = "dense"'
        )
    if settings.hidden == ():
        raise ConfigError(
            '[model] backbone = "convolutional" needs a hidden layer at least, got hidden = '
            "[]: leave it out, or give channels such as [32, 32]"
        )
