"""Corruptions of windows. A cell's noise does not depend on what the other columns hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

if TYPE_CHECKING:
    from aedetect.models.settings import NoiseName


def gaussian(cells: Tensor, *, level: float, generator: Generator) -> Tensor:
    """Add normal noise of standard deviation `level`: (B, T, D) -> (B, T, D).

    Fails on columns of 0 and 1, whose values it makes impossible ones of.
    """
    return cells + level * torch.randn(cells.shape, generator=generator, device=cells.device)


def masking(cells: Tensor, *, level: float, generator: Generator) -> Tensor:
    """Set a share of the cells to 0, which is typical of a scaled column: (B, T, D) -> (B, T, D).

    Fails where the typical is no corruption: on columns that hardly move.
    """
    return cells.masked_fill(_chosen(cells, level, generator), 0)


def swap(cells: Tensor, *, level: float, generator: Generator) -> Tensor:
    """Replace a share of the cells by another row's of the same column: (B, T, D) -> (B, T, D).

    Every value stays one that the column takes. Fails in a batch of one, where there is no other.
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
