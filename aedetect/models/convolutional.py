"""The convolutional backbone: convolutions along time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import pad

from aedetect.models.base import ACTIVATIONS, Autoencoder, with_activation
from aedetect.models.layers import RowwiseLinear, linear

if TYPE_CHECKING:
    from aedetect.models.settings import ModelSettings, Sizes


class Convolutional(Autoencoder):
    """Strided convolutions halve the time steps by layer; a dense layer computes the latent vector.

    The decoder mirrors the encoder: it repeats each step twice, then convolves it with its
    neighbours. This avoids the checkerboard artifacts of transposed convolutions (Odena, Dumoulin,
    Olah: Deconvolution and checkerboard artifacts, 2016). All steps share the same weights, so a
    pattern is learned once for every position. Fails on windows of a few steps, where there is
    nothing to share, and costs more than `dense` for the same fit. A window of one row is refused.
    """

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Build encoder and decoder; each hidden layer halves the time steps."""
        super().__init__(settings, sizes)
        self.steps = [sizes.length]  # time steps before each encoder layer, and at the end
        for _ in sizes.hidden:
            self.steps.append(-(-self.steps[-1] // 2))
        widest = self.steps[-1] * sizes.hidden[-1]
        self.activation = ACTIVATIONS[settings.activation]()
        self.down = nn.ModuleList(
            nn.Conv1d(wide, narrow, kernel_size=4, stride=2)
            for wide, narrow in pairwise((sizes.inputs, *sizes.hidden))
        )
        self.to_code = nn.Sequential(
            *with_activation(RowwiseLinear(widest, sizes.encoded), sizes.bend)
        )
        self.from_code = RowwiseLinear(sizes.latent, widest)
        self.up = nn.ModuleList(
            nn.Conv1d(narrow, wide, kernel_size=3)
            for wide, narrow in reversed(list(pairwise((sizes.outputs, *sizes.hidden))))
        )

    def encode_all(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, E)."""
        signal = windows.transpose(1, 2)
        for layer, steps in zip(self.down, self.steps, strict=False):
            signal = self.activation(layer(pad(signal, (1 + steps % 2, 1))))
        encoded: Tensor = self.to_code(signal.flatten(1))
        return encoded

    def decode(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""
        return self._last_steps(latent, self.sizes.length)

    def decode_last(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, D), computing only the steps that the last one depends on."""
        return self._last_steps(latent, 1)[:, 0]

    def _last_steps(self, latent: Tensor, wanted: int) -> Tensor:
        """Reconstruct the last `wanted` steps: (N, C), S -> (N, S, D)."""
        needed = [wanted]  # last steps needed at each resolution, finest first
        for steps in self.steps[:-1]:
            needed.append(-(-min(needed[-1] + 1, steps) // 2))
        signal = self._coarsest(latent, needed.pop())
        for layer, steps, last in zip(self.up, self.steps[-2::-1], needed[::-1], strict=True):
            signal = layer(_upsampled(self.activation(signal), steps=steps, wanted=last))
        return signal.transpose(1, 2)

    def _coarsest(self, latent: Tensor, wanted: int) -> Tensor:
        """Compute the last steps at the coarsest resolution: latent (N, C) -> (N, H, S)."""
        shape = (self.steps[-1], -1)
        weight = self.from_code.weight.view(*shape, self.sizes.latent)[-wanted:].flatten(0, 1)
        bias = self.from_code.bias.view(shape)[-wanted:].flatten()
        return linear(latent, weight, bias).view(len(latent), wanted, -1).transpose(1, 2)


def _upsampled(signal: Tensor, *, steps: int, wanted: int) -> Tensor:
    """Repeat each step twice; return the input for the last `wanted` of `steps` outputs."""
    fine = signal.repeat_interleave(2, dim=2)[:, :, -min(wanted + 1, steps) :]
    return pad(fine, (wanted + 1 - fine.shape[2], 1))
