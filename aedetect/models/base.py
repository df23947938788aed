"""The interface of every autoencoder."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from aedetect.models.last_row import LastRowMap
    from aedetect.models.settings import ActivationName, ModelSettings, Sizes

ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Autoencoder(nn.Module):
    """Reconstruct windows through a latent vector (N, C): (N, T, D + K) -> (N, T, D).

    The K context columns are inputs only; they are not reconstructed. `settings` records the
    configuration for training and serialization; the network itself reads only the activation.
    """

    closed_form: ClassVar[bool] = False  # whether `solve` replaces gradient training

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Build the network with the given sizes."""
        super().__init__()
        self.settings = settings
        self.sizes = sizes

    @abstractmethod
    def encode_all(self, windows: Tensor) -> Tensor:
        """Return the encoder output: (N, T, D + K) -> (N, E).

        This is the latent vector (N, C), or for a Gaussian one its mean and log variance
        (N, 2 C).
        """

    @abstractmethod
    def decode(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""

    @abstractmethod
    def decode_last(self, latent: Tensor) -> Tensor:
        """Reconstruct only the last time step, as scoring needs no more: (N, C) -> (N, D)."""

    def encode(self, windows: Tensor) -> Tensor:
        """Return the latent vector, or the mean of a Gaussian one: (N, T, D + K) -> (N, C)."""
        return self.encode_all(windows)[:, : self.sizes.latent]

    def forward(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, T, D)."""
        return self.decode(self.encode(windows))

    @property
    def single_layer_weight(self) -> Tensor | None:
        """Weights (C, T (D + K)) of a single-layer encoder, else None."""
        return None

    @property
    def last_row_map(self) -> LastRowMap | None:
        """The map from windows to the reconstruction of their last row, where it is linear."""
        return None

    def solve(self, mean: Tensor, leading: Tensor) -> None:
        """Set the weights from mean (T D,) and leading directions (C, T D) of the windows."""
        raise NotImplementedError(f"{type(self).__name__} is trained by gradient")


def with_activation(layer: nn.Module, activation: ActivationName | None) -> list[nn.Module]:
    """Return a layer followed by its activation, if any."""
    return [layer] if activation is None else [layer, ACTIVATIONS[activation]()]
