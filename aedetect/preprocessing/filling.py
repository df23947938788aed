"""Missing cells: which earlier value replaces each, and for how long."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float64, Int64


def carry_from(missing: Bool, starts: Bool) -> Int64:
    """Return the row that each row's value is filled from: (R,), -1 if its entity has none yet.

    >>> carry_from(np.array([True, False, True]), np.array([True, False, False])).tolist()
    [-1, 1, 1]
    """
    rank = np.arange(len(missing))
    last = np.maximum.accumulate(np.where(missing, -1, rank))
    first = np.maximum.accumulate(np.where(starts, rank, 0))
    return np.where(last >= first, last, -1)


def carry_values(
    values: Float64, missing: Bool, *, time: Int64, starts: Bool, limit: Int64
) -> tuple[Float64, Bool]:
    """Fill the last value forward into missing cells; also return where none is recent enough.

    Shapes: (R, F), (R, F), (R,), (R,) -> (R, F), (R, F). The limit (R,) is in ns.
    """
    filled, stale = values.copy(), np.zeros_like(missing)
    for column in np.flatnonzero(missing.any(axis=0)):
        last = carry_from(missing[:, column], starts)
        too_old = (last < 0) | (time - time[last] > limit)
        filled[:, column] = np.where(too_old, np.nan, values[last, column])
        stale[:, column] = too_old
    return filled, stale
