"""Checks on the file of a profile before it counts: anyone may have written it."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Float64
from aedetect.drift.binning import BINS

FILE = "drift.safetensors"


def check_sizes(
    shapes: dict[str, tuple[int, ...]], kinds: set[str], features: int, entities: int
) -> None:
    """Raise ValueError unless sizes fit the detector; those of entities are all or one."""
    groups = shapes.get("usual", (0,))[0]
    needed = {
        "edges": (features, BINS - 1),
        "usual": (entities + 1 if groups != 1 else 1, features, BINS),
        "limit": (features,),
        "missing": (features,),
        "level": (entities + 1,),
        "level_limit": (entities + 1,),
        "whole": (1,),
    }
    if shapes != needed or kinds != {"F64"}:
        raise ValueError(f"{FILE} does not fit: {shapes} instead of {needed}")


def check_numbers(arrays: dict[str, Float64]) -> None:
    """Raise ValueError for numbers that no profile has."""
    for name in ("edges", "usual", "missing", "level_limit", "whole"):
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} of {FILE} must be finite")
    if (arrays["usual"] < 0).any() or not (arrays["limit"] > 0).all():
        raise ValueError(f"counts and limits of {FILE} must be positive")
    if (arrays["level_limit"] < 0).any():
        raise ValueError(f"limits of {FILE} must be positive")
    if np.isinf(arrays["level"]).any() or (np.diff(arrays["edges"], axis=1) < 0).any():
        raise ValueError(f"levels of {FILE} must be finite, and its edges in order")
