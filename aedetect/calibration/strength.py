"""How far above its threshold a score is, and how strong an event on normal rows is.

A step is the distance in score in which normal rows become ten times rarer, just below the
threshold. Scores have no unit of their own, and their p-values end at 1 / (n + 1); steps do not.
"""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Float32, Float64, Int64
from aedetect.calibration.conformal import Reference
from aedetect.calibration.thresholds import Threshold

USUAL = 0.75  # share of held-out events that are weaker than the unit of strength
_FEWEST = 8  # events, with fewer of which the unit is that of one row a step above
_RARER, _MOST = 10, 0.5


def step_below(reference: Reference, threshold: Threshold) -> float:
    """Return the distance in score from the threshold down to ten times its rate."""
    lower = reference.score_at(min(_RARER * threshold.rate, _MOST))
    least = 1e-3 * max(abs(threshold.value), 1e-6)  # scores that repeat have no distance
    return max(threshold.value - lower, least)


def steps_above(score: Float32, threshold: Float64, step: Float64) -> Float64:
    """Return log2(1 + steps above the threshold), 0 below it: (N,) each -> (N,).

    Rows add up, so that long events are strong; the logarithm keeps one row from outweighing many.

    >>> steps_above(np.array([3, 7, 1], np.float32), np.full(3, 3.0), np.full(3, 4.0)).tolist()
    [0.0, 1.0, 0.0]
    """
    above = np.maximum(score.astype(np.float64) - threshold, 0)
    return np.asarray(np.log2(1 + above / step))


def usual_strength(above: Float64, first: Int64, last: Int64) -> float:
    """Return the strength that three of four events on held-out rows stay below.

    Shapes: above (n,) as `steps_above`, 0 for rows that are not flagged; first, last (S,) rows of
    the events. At least that of one row half a step above: what is rated must be worth it.
    """
    if len(first) < _FEWEST:
        return 1.0
    total = np.concatenate([[0.0], np.cumsum(above)])
    return max(float(np.quantile(total[last + 1] - total[first], USUAL)), float(np.log2(1.5)))
