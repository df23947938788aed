"""What a linear autoencoder expects of the last row of a window, as one linear map.

Only the last row of a reconstruction is used when rows are scored. So encoder and decoder of a
linear autoencoder can be multiplied before any window is seen, and two of them averaged: their
windows are then read once, and the codes are never computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from aedetect.models.layers import narrow

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LastRowMap:
    """windows (N, T, I) -> code (N, C) -> last row (N, D).

    Shapes: inputs I; encoder (C, T I), offset (C,), decoder (D, C), bias (D,).
    """

    inputs: int
    encoder: Tensor
    offset: Tensor
    decoder: Tensor
    bias: Tensor

    @property
    def length(self) -> int:
        """Rows in a window."""
        return self.encoder.shape[1] // self.inputs

    def averaged(self, other: LastRowMap) -> LastRowMap:
        """Return the map to the mean of both last rows, from the longer of both windows."""
        width = max(self.encoder.shape[1], other.encoder.shape[1])
        pair = (self, other)
        # Windows end at the same row, so that a shorter one lacks the first rows.
        wide = [functional.pad(each.encoder, (width - each.encoder.shape[1], 0)) for each in pair]
        return LastRowMap(
            self.inputs,
            torch.cat(wide),
            torch.cat([each.offset for each in pair]),
            torch.cat([each.decoder for each in pair], dim=1) / 2,
            (self.bias + other.bias) / 2,
        )

    def cheapest(self) -> LastRowMap:
        """Return the map without the code between, where that takes fewer multiplications."""
        code, width = self.encoder.shape
        outputs = len(self.decoder)
        if outputs * width > code * (width + outputs):
            return self
        return LastRowMap(
            self.inputs,
            self.decoder @ self.encoder,
            self.decoder @ self.offset + self.bias,
            self.decoder[:, :0],
            self.bias[:0],
        )

    def __call__(self, windows: Tensor) -> Tensor:
        """(N, T, I) -> (N, D)."""
        code = narrow(windows.flatten(1), self.encoder, self.offset)
        return narrow(code, self.decoder, self.bias) if len(self.bias) else code
