"""Linear layers whose output rows do not depend on their position in the batch."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx

# Below this many outputs MKL on AMD processors rounds a row by its place in the batch (measured:
# 2 to 11 outputs, 5 to 608 inputs). A score would then depend on how rows are batched.
MIN_OUTPUTS = 12


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply a linear map to each row independently: (N, K), (O, K), (O,) -> (N, O).

    Products with few outputs are padded with outputs of zero weight.
    """
    if _by_onednn(values):
        if torch.is_inference_mode_enabled():
            return _multiplied(values, weight, bias)
        product: Tensor = _Product.apply(values, weight, bias)  # type: ignore[no-untyped-call]
        return product
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
    if torch.is_inference_mode_enabled() and _by_onednn(values):
        return _multiplied(values, weight, bias)
    return torch.addmm(bias[:, None], weight, values.T).T


class _Product(torch.autograd.Function):
    """The product of `linear` with its gradients, all three by oneDNN.

    The gradients are computed by `linear` again, so that penalties on them have gradients too.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, *given: Any) -> Tensor:
        """(N, K), (O, K), (O,) -> (N, O)."""
        values, weight, bias = given
        ctx.save_for_backward(values, weight)
        return _multiplied(values, weight, bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """(N, O) -> (N, K), (O, K), (O,)."""
        (slope,) = slopes
        values, weight = ctx.saved_tensors
        of_values, of_weight, of_bias = ctx.needs_input_grad
        return (
            linear(slope, weight.T) if of_values else None,
            linear(slope.T, values.T) if of_weight else None,
            slope.sum(0) if of_bias else None,
        )


def _by_onednn(values: Tensor) -> bool:
    """Whether oneDNN multiplies: where it is faster. Exports to ONNX do not know its operator."""
    return (
        values.dtype is torch.float32
        and values.device.type == "cpu"
        and _has_wide_vectors()
        and not torch.compiler.is_exporting()
    )


@cache
def _has_wide_vectors() -> bool:
    """Whether oneDNN has vectors of 512 bits.

    MKL leaves them unused on processors of AMD, where oneDNN takes less than half of its time with
    them (512 rows of 3,200 cells to 100 outputs: 1.6 and 3.6 ms), and as long without.
    """
    capable: bool = torch.backends.cpu.get_cpu_capability() == "AVX512"
    # The operator is not part of PyTorch's promises: without it MKL multiplies.
    return capable and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _multiplied(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply by oneDNN, which rounds a row alike at any place, however few the outputs."""
    # Of a weight that is a part of a matrix, such as the last rows, it takes 600 times as long.
    if not (weight.is_contiguous() or weight.T.is_contiguous()):
        weight = weight.contiguous()
    # PyTorch's own `linear` takes MKL for numbers of 32 bits; its compiler takes this.
    multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - there is no other way to it
    found: Tensor = multiply(values, weight, bias, "none", [], "")
    return found


class RowwiseLinear(nn.Linear):
    """A linear layer computed by `linear`, with the parameters of `nn.Linear`."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, K) -> (N, O)."""
        return linear(values, self.weight, self.bias)
