"""What every autoencoder offers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from aedetect.models.settings import ActivationName, ModelSettings, Sizes

ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Autoencoder(nn.Module):
    """Windows -> windows: (N, T, D + K) -> (N, T, D), by way of a code (N, C).

    The K context columns are seen and not reconstructed. The settings are a record of what was
    asked for, for those who train, save and rebuild; a network reads its activation there alone.
    """

    closed_form: ClassVar[bool] = False  # whether `solve` replaces training by gradient

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Build the network with the sizes given."""
        super().__init__()
        self.settings = settings
        self.sizes = sizes

    @abstractmethod
    def encode_all(self, windows: Tensor) -> Tensor:
        """Return all that the encoder says: (N, T, D + K) -> (N, E).

        That is the code (N, C), or where the code is Gaussian, its mean and log variance (N, 2 C).
        """

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""

    @abstractmethod
    def decode_last(self, code: Tensor) -> Tensor:
        """Reconstruct the last time step alone, as scoring needs no more: (N, C) -> (N, D)."""

    def encode(self, windows: Tensor) -> Tensor:
        """Return the code, or its mean where it is Gaussian: (N, T, D + K) -> (N, C)."""
        return self.encode_all(windows)[:, : self.sizes.latent]

    def forward(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, T, D)."""
        return self.decode(self.encode(windows))

    @property
    def only_layer(self) -> Tensor | None:
        """Weights (C, T (D + K)) of an encoder that is a single layer, else None."""
        return None

    def solve(self, mean: Tensor, covariance: Tensor) -> None:
        """Set the weights from the windows' mean (T D,) and covariance (T D, T D)."""
        raise NotImplementedError(f"{type(self).__name__} is trained by gradient")


def bent(layer: nn.Module, bend: ActivationName | None) -> list[nn.Module]:
    """Put an activation, if any, behind a layer."""
    return [layer] if bend is None else [layer, ACTIVATIONS[bend]()]
