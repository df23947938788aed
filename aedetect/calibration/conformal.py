"""Conformal p-values from held-out scores of normal rows, and the score at a p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Float32, Float64
from aedetect.calibration.tail import MIN_EXCESSES, SHARES, Tail, fit_tail

_SLACK = 1e-9  # of a rank, for rounding: 0.1 * 3 != 0.3


@dataclass(frozen=True)
class Reference:
    """Held-out scores of normal rows, ascending: (n,)."""

    scores: Float32
    fitted: Tail | None = None  # by default when it is needed: of most entities it never is

    @classmethod
    def of(cls, scores: Float32) -> Reference:
        """Sort scores: (n,), n at least 1."""
        return cls(np.sort(scores))

    @cached_property
    def tail(self) -> Tail:
        """The tail beyond the scores."""
        return self.fitted or fit_tail(self.scores)

    @property
    def tail_fits(self) -> bool:
        """Whether the tail supports a promise; too few scores do not, and need no fit."""
        return len(self) * SHARES[0] >= MIN_EXCESSES and self.tail.fits

    def __len__(self) -> int:
        """Return the number of held-out scores."""
        return len(self.scores)

    def p_values(self, scores: npt.ArrayLike) -> Float64:
        """Return the share of normal rows that would score as high: (N,) -> (N,).

        The conformal rank (1 + #{held-out >= score}) / (n + 1), which is valid at any n: Vovk,
        Gammerman, Shafer: Algorithmic learning in a random world (2005), section 2.2. Beyond the
        largest held-out score it is at most 1 / (n + 1), and follows the tail.

        >>> Reference.of(np.array([1, 2, 3], np.float32)).p_values([0, 2, 3]).tolist()
        [1.0, 0.75, 0.5]
        """
        given = np.asarray(scores)
        as_high = len(self) - np.searchsorted(self.scores, given, side="left")
        rank = (1.0 + as_high) / (len(self) + 1.0)
        beyond = given > self.scores[-1]
        if beyond.any():
            rank[beyond] = np.minimum(rank[beyond], self.tail.p_values(given[beyond]))
        return np.asarray(rank)

    def score_at(self, level: float) -> float:
        """Return the smallest score that a normal row exceeds with at most this probability.

        The ceil((n + 1)(1 - level))-th smallest of n: Lei et al.: Distribution-free predictive
        inference for regression (2018), equation 3. The rank is exact, because an error of
        one rank doubles the alarms when n is small. Below 1 / (n + 1) the tail is used; see
        `supports`.
        """
        above = math.floor((len(self) + 1) * level + _SLACK)
        if above >= 1:
            return float(self.scores[max(len(self) - above, 0)])
        return max(float(self.scores[-1]), self.tail.score_at(level))

    def supports(self, level: float) -> bool:
        """Whether this share can be promised, by rank or by a tail that fits."""
        return (len(self) + 1) * level + _SLACK >= 1 or self.tail_fits


def rows_for(rate: float) -> int:
    """Return how many held-out rows are needed to support a rate without a tail.

    >>> rows_for(0.05), rows_for(0.04)
    (19, 24)
    """
    return math.ceil(1 / rate - _SLACK) - 1
