"""What every autoencoder offers."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

if TYPE_CHECKING:
    from aedetect.models.settings import ActivationName, Sizes


class Autoencoder(nn.Module):
    """Windows -> windows: (N, T, D + K) -> (N, T, D), by way of a code (N, C).

    The K context columns are seen and not reconstructed.
    """

    closed_form: ClassVar[bool] = False  # whether `solve` replaces training by gradient

    def __init__(self, sizes: Sizes, activation: ActivationName) -> None:
        """Build the network with the sizes given."""
        super().__init__()
        self.sizes = sizes
        self.activation = activation

    @abstractmethod
    def encode(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, C)."""

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""

    def decode_last(self, code: Tensor) -> Tensor:
        """Reconstruct the last time step alone: (N, C) -> (N, D).

        Scoring needs no more; a variant that can do it cheaper overrides this.
        """
        return self.decode(code)[:, -1]

    def forward(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, T, D)."""
        return self.decode(self.encode(windows))

    def solve(self, mean: Tensor, covariance: Tensor) -> None:
        """Set the weights from the windows' mean (T D,) and covariance (T D, T D)."""
        raise NotImplementedError(f"{type(self).__name__} is trained by gradient")
