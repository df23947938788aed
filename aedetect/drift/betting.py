"""A conformal test martingale on p-values: evidence that they are smaller than they should be.

Each p-value is bet on by max(p, 0.02)^(e - 1), divided by its mean, for several e; Vovk, Gammerman,
Shafer: Algorithmic learning in a random world (2005), section 7.1. The floor keeps single anomalies
from winning. Bets of a day depend on a count and a sum. Days are joined by Shiryaev and Roberts'
statistic, of which the expectation after n quiet days is n: see `EVIDENCE`.
"""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Float64, Int64

FLOOR = 0.02
EVIDENCE = 30_000.0  # reached in one of 1,000 quiet months of 30 days at most (Markov)
_MOST = 2 * np.log(EVIDENCE)  # of the logarithm: evidence of a shift that has ended is forgotten
_EXPONENTS = np.array([0.15, 0.3, 0.5, 0.7, 0.9])
_MEAN = FLOOR**_EXPONENTS + (1 - FLOOR**_EXPONENTS) / _EXPONENTS  # of the bet on a uniform p-value


def log_p_values(p_value: Float64) -> Float64:
    """Return what is summed over a day: (N,) -> (N,)."""
    return np.asarray(np.log(np.maximum(p_value, FLOOR)))


def next_evidence(before: Float64, count: Int64, total: Float64) -> Float64:
    """Return the logarithm of the evidence after one more day; before the first it is -inf: (E,).

    What was never seen is worth as much as what was seen without a bet.
    """
    bet = (_EXPONENTS - 1) * total[..., None] - count[..., None] * np.log(_MEAN)
    gain = np.logaddexp.reduce(bet, axis=-1) - np.log(len(_EXPONENTS))
    return np.asarray(np.minimum(np.logaddexp(0.0, before) + gain, _MOST))
