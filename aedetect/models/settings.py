"""What a model is built from: settings and sizes, without importing PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

VariantName = Literal["undercomplete", "linear"]
ActivationName = Literal["relu", "gelu", "tanh", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which autoencoder: `[model]`."""

    variant: VariantName = "undercomplete"
    hidden: tuple[Annotated[int, Ge(1)], ...] | None = (
        None  # widths up to the code; () is shallow; None: derived
    )
    latent: Annotated[int, Ge(1)] | None = None  # width of the code; None: derived
    activation: ActivationName = "relu"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Everything that fixes a network's shape."""

    length: int  # T, time steps of a window
    inputs: int  # columns that go in: those of the features, then those of the context
    outputs: int  # columns that come out: those of the features
    hidden: tuple[int, ...]
    latent: int


def derive_sizes(settings: ModelSettings, *, length: int, inputs: int, outputs: int) -> Sizes:
    """Fill in the sizes that the settings leave open.

    The code has one number a column for the whole window, but at least 2, and at most half as many
    as the window has cells: narrower codes take a slow drift for an anomaly (on gecco2018 a
    quarter of it flags 59 % of the normal rows, this 1 to 14 %). The hidden layer is a power of two
    between 32 and 128 near a quarter of the window's cells: wider ones cost speed and gained
    nothing on the development data.
    """
    cells = length * outputs
    latent = settings.latent or max(1, min(max(2, outputs), cells // 2))
    hidden = settings.hidden
    if hidden is None:
        hidden = (min(128, max(32, 1 << (cells // 4).bit_length())),)
    if settings.variant == "linear":
        hidden = ()
    return Sizes(length=length, inputs=inputs, outputs=outputs, hidden=hidden, latent=latent)
