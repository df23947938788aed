"""Steps of the score as tensors of one block of rows, for a graph that runs without aedetect.

Each does for one entity what its NumPy twin does for many. Shapes: R rows of the block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from aedetect.detector.trailing import LARGEST, UNITS

if TYPE_CHECKING:
    from torch import Tensor

_MINUTE = 60_000_000_000  # ns
_DAY = 1_440  # minutes
_THURSDAY = 3  # the weekday of 1 January 1970, Monday is 0


def compressed(values: Tensor, limit: float) -> Tensor:
    """Let values beyond the limit grow logarithmically, as `preprocessing.compression`."""
    size = values.abs()
    grown = torch.sign(values) * (limit + torch.log(1 + torch.clamp(size - limit, min=0)))
    return torch.where(size > limit, grown, values)


def calendar(time: Tensor, context: tuple[str, ...]) -> list[Tensor]:
    """Return sine and cosine of hour and weekday in UTC: (R,) in ns -> a list of (R,)."""
    columns: list[Tensor] = []
    minutes = torch.floor_divide(time, _MINUTE)
    days = torch.floor_divide(minutes, _DAY)
    for name in context:
        if name == "hour":
            turns = (minutes - days * _DAY).double() / _DAY
        else:
            turns = torch.remainder(days + _THURSDAY, 7).double() / 7
        angle = 2 * torch.pi * turns
        columns += [torch.sin(angle), torch.cos(angle)]
    return columns


def last_places(count: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last `count` places up to each row, and which exist: (R, count) each.

    Places before the first row are given as the first one. The oldest comes first.
    """
    rows = torch.arange(like.shape[0])
    places = rows.unsqueeze(1) + torch.arange(1 - count, 1).unsqueeze(0)
    return torch.clamp(places, min=0), places >= 0


def runs_of(time: Tensor, valid: Tensor, gap: Tensor) -> Tensor:
    """Return a number for each row that changes where a series ends: (R,), (R,) -> (R,).

    A series ends at a step above `gap` (ns), and at each row that is not valid.
    """
    step = torch.cat([torch.ones_like(time[:1]), (time[1:] - time[:-1] > gap).long()])
    broken = 1 - valid.long()
    after = torch.cat([torch.zeros_like(broken[:1]), broken[:-1]])
    return torch.cumsum(torch.clamp(step + broken + after, max=1), dim=0)


def whole_windows(run: Tensor, valid: Tensor, length: int) -> Tensor:
    """Return which rows end a window of rows of one series: (R,), (R,) -> (R,)."""
    if length == 1:
        return valid
    places, present = last_places(length, run)
    return valid & present[:, 0] & (run[places[:, 0]] == run)


def exact_means(values: Tensor, places: Tensor, taken: Tensor) -> Tensor:
    """Return means of some places, in the units of `trailing`.

    Shapes: values (R, ...), places and whether they are taken (R, n) -> (R, ...). A row without a
    place that is taken gets 0.
    """
    units = (torch.clamp(values.double(), max=LARGEST) * UNITS).long()
    chosen = taken if values.dim() == 1 else taken.unsqueeze(-1)
    total = (units[places] * chosen.long()).sum(dim=1)
    number = torch.clamp(chosen.long().sum(dim=1), min=1)
    return total.double() / UNITS / number.double()


def exact_sums(values: Tensor, places: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums of some places and how many they are: (R,), (R, n), (R, n) -> (R,), (R,)."""
    units = (torch.clamp(values.double(), max=LARGEST) * UNITS).long()
    total = (units[places] * taken.long()).sum(dim=1)
    return total.double() / UNITS, taken.long().sum(dim=1).double()


def shape_distances(
    matrix: Tensor, basis: Tensor, centres: Tensor, used: Tensor, *, length: int
) -> Tensor:
    """Return the squared distance of each row's window from the nearest shape, as `ShapeBank`.

    Shapes: (R, D + K), (Q, T, D + K), (C, Q), (D + K,) -> (R,).
    """
    places, _ = last_places(length, matrix)
    windows = matrix[places]
    shapes = (windows - windows.mean(dim=1, keepdim=True)).double()
    energy = (shapes.square() * used).sum(dim=(1, 2))
    latent = windows.flatten(1) @ basis.flatten(1).T
    nearest = (centres.square().sum(dim=1) / 2 - latent @ centres.T).amin(dim=1).double()
    return torch.clamp(energy + 2 * nearest, min=0)
