"""The backbone of convolutions along time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import pad

from aedetect.models.base import ACTIVATIONS, Autoencoder, bent
from aedetect.models.layers import RowwiseLinear, linear

if TYPE_CHECKING:
    from aedetect.models.settings import ModelSettings, Sizes


class Convolutional(Autoencoder):
    """Convolutions along time halve the steps layer by layer; a dense layer makes the code.

    The decoder goes back: each step is repeated twice, then convolved with its neighbours, which
    leaves none of the chequered traces of transposed convolutions (Odena, Dumoulin, Olah:
    Deconvolution and checkerboard artifacts, 2016). The same weights serve every step, so a
    pattern is learnt once wherever it stands. Fails on windows of a few steps, where there is
    nothing to share, and costs more than `dense` for as good a fit; a window of one has no time.
    """

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Build encoder and decoder with as many halvings as there are hidden layers."""
        super().__init__(settings, sizes)
        self.steps = [sizes.length]  # time steps before each layer of the encoder, and at its end
        for _ in sizes.hidden:
            self.steps.append(-(-self.steps[-1] // 2))
        widest = self.steps[-1] * sizes.hidden[-1]
        self.bend = ACTIVATIONS[settings.activation]()
        self.down = nn.ModuleList(
            nn.Conv1d(wide, narrow, kernel_size=4, stride=2)
            for wide, narrow in pairwise((sizes.inputs, *sizes.hidden))
        )
        self.to_code = nn.Sequential(*bent(RowwiseLinear(widest, sizes.encoded), sizes.bend))
        self.from_code = RowwiseLinear(sizes.latent, widest)
        self.up = nn.ModuleList(
            nn.Conv1d(narrow, wide, kernel_size=3)
            for wide, narrow in reversed(list(pairwise((sizes.outputs, *sizes.hidden))))
        )

    def encode_all(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, E)."""
        signal = windows.transpose(1, 2)
        for layer, steps in zip(self.down, self.steps, strict=False):
            signal = self.bend(layer(pad(signal, (1 + steps % 2, 1))))
        said: Tensor = self.to_code(signal.flatten(1))
        return said

    def decode(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""
        return self._last_steps(code, self.sizes.length)

    def decode_last(self, code: Tensor) -> Tensor:
        """(N, C) -> (N, D), from the steps alone that the last one is made of."""
        return self._last_steps(code, 1)[:, 0]

    def _last_steps(self, code: Tensor, wanted: int) -> Tensor:
        """Reconstruct as many steps at the end as are wanted: (N, C), S -> (N, S, D)."""
        needed = [wanted]  # steps at the end, before each layer of the encoder and behind the last
        for steps in self.steps[:-1]:
            needed.append(-(-min(needed[-1] + 1, steps) // 2))
        signal = self._coarsest(code, needed.pop())
        for layer, steps, last in zip(self.up, self.steps[-2::-1], needed[::-1], strict=True):
            signal = layer(_stretched(self.bend(signal), steps=steps, wanted=last))
        return signal.transpose(1, 2)

    def _coarsest(self, code: Tensor, wanted: int) -> Tensor:
        """Make the last of the coarsest steps from the code: (N, C) -> (N, H, S)."""
        shape = (self.steps[-1], -1)
        weight = self.from_code.weight.view(*shape, self.sizes.latent)[-wanted:].flatten(0, 1)
        bias = self.from_code.bias.view(shape)[-wanted:].flatten()
        return linear(code, weight, bias).view(len(code), wanted, -1).transpose(1, 2)


def _stretched(signal: Tensor, *, steps: int, wanted: int) -> Tensor:
    """Repeat each step: what a convolution makes the last `wanted` of all `steps` from."""
    fine = signal.repeat_interleave(2, dim=2)[:, :, -min(wanted + 1, steps) :]
    return pad(fine, (wanted + 1 - fine.shape[2], 1))
