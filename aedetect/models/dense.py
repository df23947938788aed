"""The backbone of dense layers, shallow or deep."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn

from aedetect.models.base import ACTIVATIONS, Autoencoder, bent
from aedetect.models.layers import RowwiseLinear, linear

if TYPE_CHECKING:
    from aedetect.models.settings import ActivationName, ModelSettings, Sizes

__all__ = ["ACTIVATIONS", "Dense"]


class Dense(Autoencoder):
    """The window flattened to one row; encoder and decoder are mirror images.

    Shallow without hidden layers: then the code is what the activation makes of it. Deep with
    them: then the code is linear, unless the variant bends it. Fails on long windows: it has
    weights for each step, and must learn a pattern anew for every place that it can stand at.

    Goodfellow, Bengio, Courville: Deep Learning (2016), section 14.1.
    """

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Chain linear layers, with the activation between them."""
        super().__init__(settings, sizes)
        widths = [sizes.length * sizes.inputs, *sizes.hidden]
        back = [sizes.latent, *reversed(sizes.hidden)]
        inner = _layers(widths, settings.activation)
        self.encoder = nn.Sequential(
            *inner, *bent(RowwiseLinear(widths[-1], sizes.encoded), sizes.bend)
        )
        self.decoder = nn.Sequential(*_layers(back, settings.activation))
        self.head = RowwiseLinear(back[-1], sizes.cells)

    def encode_all(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, E)."""
        said: Tensor = self.encoder(windows.flatten(1))
        return said

    def decode(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""
        cells: Tensor = self.head(self.decoder(code))
        return cells.view(-1, self.sizes.length, self.sizes.outputs)

    def decode_last(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, D), with the last step's part of the last layer alone."""
        last = slice(-self.sizes.outputs, None)
        return linear(self.decoder(code), self.head.weight[last], self.head.bias[last])

    @property
    def only_layer(self) -> Tensor | None:
        """Weights (C, T (D + K)) of a shallow encoder."""
        layer = self.encoder[0]
        return layer.weight if isinstance(layer, nn.Linear) and not self.sizes.hidden else None


def _layers(widths: list[int], activation: ActivationName) -> list[nn.Module]:
    """Return linear layers of the given widths, each with the activation behind it."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += bent(RowwiseLinear(wide, narrow), activation)
    return layers
