"""Corruptions of windows. The noise of a cell does not depend on the other columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

if TYPE_CHECKING:
    from aedetect.models.settings import NoiseName


def gaussian(cells: Tensor, *, level: float, generator: Generator) -> Tensor:
    """Add normal noise of standard deviation `level`: (B, T, D) -> (B, T, D).

    Fails on binary columns, where it produces values that never occur.
    """
    return cells + level * torch.randn(cells.shape, generator=generator, device=cells.device)


def masking(cells: Tensor, *, level: float, generator: Generator) -> Tensor:
    """Set a share of the cells to 0, a typical value of a scaled column: (B, T, D) -> (B, T, D).

    Fails on nearly constant columns, where the typical value is not a corruption.
    """
    return cells.masked_fill(_chosen(cells, level, generator), 0)


def swap(cells: Tensor, *, level: float, generator: Generator) -> Tensor:
    """Replace a share of the cells by values of other windows: (B, T, D) -> (B, T, D).

    The replacement comes from the same column and step, so every value is one that the column
    takes. Fails in a batch of one, which has no other window.
    """
    rows = torch.randint(len(cells), cells.shape, generator=generator, device=cells.device)
    return torch.where(_chosen(cells, level, generator), cells.gather(0, rows), cells)


def _chosen(cells: Tensor, share: float, generator: Generator) -> Tensor:
    return torch.rand(cells.shape, generator=generator, device=cells.device) < share


CORRUPTIONS: dict[NoiseName, Callable[..., Tensor]] = {
    "gaussian": gaussian,
    "masking": masking,
    "swap": swap,
}
