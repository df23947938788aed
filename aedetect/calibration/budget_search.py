"""The highest level up to which the events of entities stay within what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64

GRID, FINER, ROUNDS = 128, 32, 3  # levels on the first grid, on each finer grid, and rounds
ROUNDING = 1e-9

Count = Callable[["Float64"], "Float64"]


def highest_levels(count: Count, *, lowest: Float64, highest: Float64, allowed: Float64) -> Float64:
    """Return the level of each group up to which its events are within the allowed: (G,).

    `count` returns the events of each group at its level: (G,) -> (G,). The search goes up a grid
    of levels, then up finer grids between the last level within the budget and the first beyond it.
    Levels between two grid points may have more events. Events merge when the level rises, so the
    first level with too many ends the search, not the last one within the budget.
    """
    low, high = lowest.copy(), np.maximum(highest, lowest)
    for number in range(1 + ROUNDS):
        steps = GRID if number == 0 else FINER
        low, high, failed = _between(count, low, high, allowed, steps=steps)
        if not failed.any():
            break
    return low


def _between(
    count: Count, low: Float64, high: Float64, allowed: Float64, *, steps: int
) -> tuple[Float64, Float64, Bool]:
    """Return the neighbouring grid points between which the budget is exceeded, and where it is.

    A group that stays within has the end of its grid as both.
    """
    ratio = (high / low) ** (1 / (steps - 1))
    within, beyond = low.copy(), high.copy()
    failed = np.zeros(len(low), dtype=np.bool_)
    for step in range(1, steps):
        level = np.where(failed, within, np.minimum(low * ratio**step, high))
        over = ~failed & (count(level) > allowed + ROUNDING)
        beyond = np.where(over, level, beyond)
        failed |= over
        within = np.where(failed, within, level)
        if failed.all():
            break
    return within, beyond, failed
