"""The level at which two versions are compared: that of equal false events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.forecast import Timing, form_groups

if TYPE_CHECKING:
    from aedetect.arrays import Float64
    from aedetect.calibration import HeldOut

_STEPS, _PART = 60, 10  # levels that are tried, up to a tenth of the rows
_LOWEST = -300.0  # log10 of a p-value, below what floats hold


def level_at(rows: HeldOut, p_value: Float64, timing: Timing, *, events: int) -> float:
    """Return the p-value up to which rows form nearest to so many events.

    Levels rise from the smallest p-value to the first with more: beyond it events grow together,
    and many rows may form few events again. Equal p-values make the number jump, so that it may
    be more than was asked for, where that is nearer.
    """
    ordered = np.sort(p_value)
    most = max(len(ordered) // _PART, 1)
    level: float = 10.0**_LOWEST
    nearest = float(np.log1p(2 * events))
    for rank in np.unique(np.geomspace(1, most, _STEPS).astype(np.int64)):
        limit = float(ordered[rank - 1])
        count = len(form_groups(rows, p_value <= limit, timing.rules, timing.own)[0])
        apart = abs(float(np.log((count + 0.5) / (events + 0.5))))
        if apart <= nearest:
            level, nearest = limit, apart
        if count > events:
            break
    return level
