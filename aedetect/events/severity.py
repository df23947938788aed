"""How severe an event is: how far above the threshold its rows are, and for how long."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Float64, Int8
from aedetect.output.schemas import SEVERITIES

WARNING, CRITICAL = 1.0, 5.0  # times the strength that three of four held-out events stay below


def rate_strength(strength: Float64) -> Int8:
    """Rate rows or events by their strength: (S,) -> (S,), an index into SEVERITIES.

    A strength is the sum over flagged rows, in units of what three of four events on held-out rows
    stay below: what a normal machine does is mostly `info`.

    >>> rate_strength(np.array([0.9, 1.1, 5.5])).tolist()
    [0, 1, 2]
    """
    level = (strength > WARNING).astype(np.int8) + (strength > CRITICAL)
    assert level.max(initial=0) < len(SEVERITIES)
    return np.asarray(level, dtype=np.int8)
