"""What is expected, kept within what was seen: a network may expect less than nothing of a disk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aedetect.schema import Feature

Float = npt.NDArray[np.float64]


def within_seen(features: Sequence[Feature], expected: Float) -> Float:
    """Clip original units to the range of each feature in the normal rows: (M, F) -> (M, F).

    >>> within_seen([Feature("rain", "number", low=0.0, high=80.0)], np.array([[-3.0]])).tolist()
    [[0.0]]
    """
    low = np.array([-np.inf if each.low is None else each.low for each in features])
    high = np.array([np.inf if each.high is None else each.high for each in features])
    return np.clip(expected, low, high)
