"""The linear autoencoder: projection on the principal subspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from aedetect.models.base import Autoencoder
from aedetect.models.last_row import LastRowMap
from aedetect.models.layers import linear

if TYPE_CHECKING:
    from aedetect.models.settings import ModelSettings, Sizes


class Linear(Autoencoder):
    """A linear autoencoder; the optimum for squared error spans the principal subspace.

    The weights are set in closed form from the covariance of the windows. Gradient training
    reaches the same subspace, because encoder and decoder share their weights. The backbone makes
    no difference: no linear map of a window, convolutions included, has a smaller error. Context
    columns are not used. Fails when normal data lie on a curved manifold.

    Baldi, Hornik: Neural networks and principal component analysis (1989), fact 4.
    """

    closed_form: ClassVar[bool] = True

    def __init__(self, settings: ModelSettings, sizes: Sizes) -> None:
        """Start from an arbitrary orthonormal basis."""
        super().__init__(settings, sizes)
        self.mean = nn.Parameter(torch.zeros(sizes.cells))
        basis = torch.zeros(min(sizes.latent, sizes.cells), sizes.cells)
        # On a device without memory, where detectors are read, torch.eye imports much of PyTorch.
        self.basis = nn.Parameter(basis if basis.is_meta else basis.fill_diagonal_(1.0))

    def encode_all(self, windows: Tensor) -> Tensor:
        """(N, T, D + K) -> (N, C)."""
        cells = windows[:, :, : self.sizes.outputs].flatten(1)
        return linear(cells - self.mean, self.basis)

    def decode(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, T, D)."""
        cells = linear(latent, self.basis.T, self.mean)
        return cells.view(-1, self.sizes.length, self.sizes.outputs)

    def decode_last(self, latent: Tensor) -> Tensor:
        """(N, C) -> (N, D)."""
        last = slice(-self.sizes.outputs, None)
        return linear(latent, self.basis[:, last].T, self.mean[last])

    @property
    @torch.no_grad()
    def last_row_map(self) -> LastRowMap:
        """The map from windows to the reconstruction of their last row."""
        sizes, code = self.sizes, len(self.basis)
        last = slice(-sizes.outputs, None)
        steps = self.basis.view(code, sizes.length, sizes.outputs)
        context = sizes.inputs - sizes.outputs  # columns that are not used
        return LastRowMap(
            sizes.inputs,
            functional.pad(steps, (0, context)).reshape(code, -1),
            -(self.basis @ self.mean),
            self.basis[:, last].T.contiguous(),
            self.mean[last],
        )

    @torch.no_grad()
    def solve(self, mean: Tensor, leading: Tensor) -> None:
        """Take the leading directions of the windows (C, T D), of any sign, as the basis."""
        # The sign of an eigenvector is arbitrary: make its largest entry positive.
        largest = leading.gather(1, leading.abs().argmax(1, keepdim=True))
        self.basis.copy_(leading * largest.sign())
        self.mean.copy_(mean)
