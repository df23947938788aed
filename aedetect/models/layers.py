"""Linear layers whose output rows do not depend on their position in the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Below this many outputs MKL on AMD processors rounds a row by its place in the batch (measured:
# 2 to 11 outputs, 5 to 608 inputs). A score would then depend on how rows are batched.
MIN_OUTPUTS = 12


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply a linear map to each row independently: (N, K), (O, K), (O,) -> (N, O).

    Products with few outputs are padded with outputs of zero weight.
    """
    outputs = len(weight)
    missing = MIN_OUTPUTS - outputs
    if missing <= 0:
        return functional.linear(values, weight, bias)
    wide = functional.linear(
        values,
        functional.pad(weight, (0, 0, 0, missing)),
        None if bias is None else functional.pad(bias, (0, missing)),
    )
    return wide[:, :outputs].contiguous()


def narrow(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply a linear map to each row independently, without gradients: as `linear`.

    MKL multiplies few rows with many columns faster than many rows with few columns (measured on
    AMD, 512 rows of 640 cells: 144 against 201 microseconds to 20 outputs, 100 against 187 to 12,
    equal from 64 on), and rounds a column alike wherever it stands, however few the outputs.
    """
    return torch.addmm(bias[:, None], weight, values.T).T


class RowwiseLinear(nn.Linear):
    """A linear layer computed by `linear`, with the parameters of `nn.Linear`."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, K) -> (N, O)."""
        return linear(values, self.weight, self.bias)
