"""Linear layers whose rows do not depend on their place in a batch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

# Below this many outputs MKL on AMD processors rounds a row by its place in the batch (measured:
# 2 to 11 outputs, 5 to 608 inputs). A score would then depend on how the rows were cut.
NARROWEST = 12


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply rows with weights, each as if alone: (N, K), (O, K), (O,) -> (N, O).

    Narrow products are computed with outputs of zero weight beside them.
    """
    outputs = len(weight)
    lacking = NARROWEST - outputs
    if lacking <= 0:
        return functional.linear(values, weight, bias)
    wide = functional.linear(
        values,
        functional.pad(weight, (0, 0, 0, lacking)),
        None if bias is None else functional.pad(bias, (0, lacking)),
    )
    return wide[:, :outputs].contiguous()


class RowwiseLinear(nn.Linear):
    """A linear layer that is computed by `linear`; its parameters are those of `nn.Linear`."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, K) -> (N, O)."""
        return linear(values, self.weight, self.bias)
