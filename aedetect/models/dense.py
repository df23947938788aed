"""The dense backbone: fully connected layers, shallow or deep."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from aedetect.models.base import ACTIVATIONS, Autoencoder, with_activation
from aedetect.models.layers import RowwiseLinear, linear

if TYPE_CHECKING:
    from aedetect.models.settings import ActivationName, ModelSettings, Sizes

__all__ = ["ACTIVATIONS", "Dense"]


class Dense(Autoencoder):
    """Fully connected layers on the flattened window; the decoder mirrors the encoder.

    Without hidden layers the network is shallow, and the activation is applied to the latent
    vector. With hidden layers it is deep, and the latent vector is linear unless the variant sets
    an activation. Fails on long windows: each step has its own weights, so a pattern is learned for
    each position.

    Goodfellow, Bengio, Courville: Deep Learning (2016), section 14.1.
    """

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Build encoder and decoder from linear layers with activations between them."""
        super().__init__(settings, sizes)
        widths = [sizes.length * sizes.inputs, *sizes.hidden]
        back = [sizes.latent, *reversed(sizes.hidden)]
        inner = _layers(widths, settings.activation)
        self.encoder = nn.Sequential(
            *inner, *with_activation(RowwiseLinear(widths[-1], sizes.encoded), sizes.bend)
        )
        self.decoder = nn.Sequential(*_layers(back, settings.activation))
        self.head = RowwiseLinear(back[-1], sizes.cells)

    def encode_all(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, E)."""
        encoded: Tensor = self.encoder(windows.flatten(1))
        return encoded

    def decode(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""
        cells: Tensor = self.head(self.decoder(latent))
        return cells.view(-1, self.sizes.length, self.sizes.outputs)

    def decode_last(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, D), using only the weights of the last step in the last layer."""
        last = slice(-self.sizes.outputs, None)
        return linear(self.decoder(latent), self.head.weight[last], self.head.bias[last])

    @property
    def single_layer_weight(self) -> Tensor | None:
        """Weights (C, T (D + K)) of a shallow encoder."""
        layer = self.encoder[0]
        return layer.weight if isinstance(layer, nn.Linear) and not self.sizes.hidden else None


def _layers(widths: list[int], activation: ActivationName) -> list[nn.Module]:
    """Return linear layers of the given widths, each followed by the activation."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += with_activation(RowwiseLinear(wide, narrow), activation)
    return layers
