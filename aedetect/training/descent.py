"""The optimiser of a training, and its rate from the first step to the last.

The rate rises to its largest in the first steps, and then falls to 0 along half a cosine
(Loshchilov, Hutter: SGDR, 2017, without restarts): a high rate learns fast, and a low one at the
end removes the noise that it leaves.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from aedetect.models.base import Autoencoder

_WARM_UP = 50  # steps at most
_WARM_UP_SHARE = 0.1  # of all steps at most


class Descent:
    """Steps of Adam down the gradient of a loss, `steps` in all."""

    def __init__(self, model: Autoencoder, *, rate: float, steps: int) -> None:
        """Take the weights of a model, which is on its device already."""
        import torch

        weights = list(model.parameters())
        # One pass over all weights: a third of the time that a pass for each operation takes.
        fused = weights[0].device.type in {"cpu", "cuda"}
        self._optimizer: torch.optim.Optimizer = torch.optim.Adam(weights, lr=rate, fused=fused)
        self._rate, self._steps, self._done = rate, steps, 0

    def step(self, loss: Tensor) -> None:
        """Take a step."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * share_of_rate(self._done, self._steps)
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimizer.step()
        self._done += 1


def share_of_rate(done: int, steps: int) -> float:
    """Return the share of the largest rate after so many of all steps.

    >>> [round(share_of_rate(done, 1_000), 2) for done in (0, 49, 500, 999)]
    [0.02, 0.99, 0.5, 0.0]
    """
    warm = max(1.0, min(_WARM_UP, _WARM_UP_SHARE * steps))
    return min(1.0, (done + 1) / warm) * 0.5 * (1 + math.cos(math.pi * done / steps))
