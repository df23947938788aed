"""The optimiser of a training, and its rate from the first step to the last.

The rate rises to its largest in the first steps, and then falls to 0 along half a cosine
(Loshchilov, Hutter: SGDR, 2017, without restarts): a high rate learns fast, and a low one at the
end removes the noise that it leaves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from aedetect.models.base import Autoencoder

_WARM_UP = 50  # steps at most
_WARM_UP_SHARE = 0.1  # of all steps at most


class Descent:
    """Steps of Adam down the gradient of a loss, `steps` in all.

    Kingma, Ba: Adam: a method for stochastic optimization (2015). `torch.optim.Adam` is the same,
    and imports PyTorch's compiler with its first step, which takes a second.
    """

    def __init__(self, model: Autoencoder, *, rate: float, steps: int) -> None:
        """Take the weights of a model, which is on its device already."""
        import torch

        self._weights = list(model.parameters())
        self._mean, self._square = (
            [torch.zeros_like(each) for each in self._weights] for _ in range(2)
        )
        device = self._weights[0].device
        # One pass over all weights: a third of the time that a pass for each operation takes.
        self._fused = device.type in {"cpu", "cuda"}
        counted_on = device if self._fused else torch.device("cpu")
        self._counts = [torch.zeros((), device=counted_on) for _ in self._weights]
        self._rate, self._steps, self._done = rate, steps, 0

    def step(self, loss: Tensor) -> None:
        """Take a step."""
        import torch
        from torch.optim.adam import adam

        for each in self._weights:
            each.grad = None
        torch.autograd.backward(loss)
        moved = [index for index, each in enumerate(self._weights) if each.grad is not None]
        parts = (self._weights, self._mean, self._square, self._counts)
        weights, mean, square, counts = ([part[index] for index in moved] for part in parts)
        with torch.no_grad():
            adam(
                weights,
                [each.grad for each in weights if each.grad is not None],
                mean,
                square,
                [],
                counts,
                fused=self._fused,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._rate * share_of_rate(self._done, self._steps),
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )
        self._done += 1


def share_of_rate(done: int, steps: int) -> float:
    """Return the share of the largest rate after so many of all steps.

    >>> [round(share_of_rate(done, 1_000), 2) for done in (0, 49, 500, 999)]
    [0.02, 0.99, 0.5, 0.0]
    """
    warm = max(1.0, min(_WARM_UP, _WARM_UP_SHARE * steps))
    return min(1.0, (done + 1) / warm) * 0.5 * (1 + math.cos(math.pi * done / steps))
