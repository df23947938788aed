"""The undercomplete autoencoder of dense layers, shallow or deep."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import linear

from aedetect.models.base import Autoencoder

if TYPE_CHECKING:
    from aedetect.models.settings import ActivationName, Sizes

ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Undercomplete(Autoencoder):
    """A code narrower than the window is the only constraint.

    Shallow without hidden layers (then the code is what the activation makes of it), deep with
    them (then the code is linear). Fails when the code is as wide as the window: it copies; and
    when anomalies lie on the manifold of the normal: it reconstructs them too.

    Goodfellow, Bengio, Courville: Deep Learning (2016), section 14.1.
    """

    def __init__(self, sizes: Sizes, activation: ActivationName) -> None:
        """Build encoder and decoder as mirror images."""
        super().__init__(sizes, activation)
        widths = [sizes.length * sizes.inputs, *sizes.hidden, sizes.latent]
        back = [sizes.latent, *reversed(sizes.hidden), sizes.length * sizes.outputs]
        bend = ACTIVATIONS[activation]
        self.encoder = _layers(widths, bend, bend_last=not sizes.hidden)
        self.decoder = _layers(back[:-1], bend, bend_last=bool(sizes.hidden))
        self.head = nn.Linear(back[-2], back[-1])

    def encode(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, C)."""
        code: Tensor = self.encoder(windows.flatten(1))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""
        cells: Tensor = self.head(self.decoder(code))
        return cells.view(-1, self.sizes.length, self.sizes.outputs)

    def decode_last(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, D), with the last step's part of the last layer alone."""
        last = slice(-self.sizes.outputs, None)
        return linear(self.decoder(code), self.head.weight[last], self.head.bias[last])


def _layers(widths: list[int], bend: type[nn.Module], *, bend_last: bool) -> nn.Sequential:
    """Chain linear layers of the given widths, with the activation between them."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), bend()]
    return nn.Sequential(*(layers if bend_last else layers[:-1]))
