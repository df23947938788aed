"""Values far beyond the usual range grow logarithmically, so that a network stays in its range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.arrays import Float64

_LARGEST = float(np.finfo(np.float64).max)


def compress(values: Float64, limit: float) -> Float64:
    """Let values beyond the limit grow logarithmically: a more extreme value stays more extreme.

    >>> compress(np.array([-1.0, 10.0, 10.0 + np.e - 1]), limit=10.0).tolist()
    [-1.0, 10.0, 11.0]
    """
    size = np.abs(values)
    if not (size > limit).any():
        return values
    beyond = np.clip(size - limit, 0, _LARGEST)  # what is too large to be scaled is infinite
    return np.where(size > limit, np.sign(values) * (limit + np.log1p(beyond)), values)


def expand(values: Float64, limit: float) -> Float64:
    """Undo `compress`."""
    size = np.abs(values)
    return np.where(
        size > limit, np.sign(values) * (limit + np.expm1(np.maximum(size - limit, 0))), values
    )
