"""The tail of held-out scores: how rare a score is that is higher than all of them.

Excesses over a high threshold follow a generalised Pareto distribution, whatever the scores do
below: Pickands: Statistical inference using extreme order statistics (1975); Balkema, de Haan
(1974). Used on streams by Siffer et al.: Anomaly detection in streams with extreme value theory
(2017). The shape is held at 0 or more: with a negative one there would be a largest possible score,
and a p-value of 0 beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Float32, Float64

SHARES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # of the scores, above where the tail starts
MIN_EXCESSES = 30  # excesses that a fit is trusted with
TINY = float(np.finfo(np.float64).tiny)  # p-values end here, where numbers do: they are never 0

# The Anderson-Darling statistic that 5 % of true tails exceed, when shape and scale are estimated
# as here. Simulated, because held at 0 the shape is estimated otherwise than in the tables of
# Choulakian, Stephens: Goodness-of-fit tests for the generalized Pareto distribution (2001):
# python benchmarks/tail.py. It hardly depends on the number of excesses.
SHAPES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
CRITICAL = (1.11, 0.96, 0.91, 0.88, 0.83, 0.79, 0.76)


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto distribution of the scores above `start`."""

    start: float
    share: float  # of normal rows that lie above the start
    shape: float  # 0 is exponential, more is heavier
    scale: float  # score units
    excesses: int  # held-out scores that it was fitted to
    fits: bool  # whether it passed the check, so that a promise may rest on it

    def p_values(self, scores: npt.ArrayLike) -> Float64:
        """Return the share of normal rows above scores that are beyond the start: (N,) -> (N,).

        >>> Tail(1.0, 0.1, 0.0, 1.0, 30, True).p_values([1.0]).tolist()
        [0.1]
        """
        excess = np.maximum(np.asarray(scores, dtype=np.float64) - self.start, 0) / self.scale
        return np.maximum(self.share * np.exp(_log_survival(excess, self.shape)), TINY)

    def score_at(self, level: float) -> float:
        """Return the score that this share of normal rows lies above; the start at most."""
        ratio = np.log(min(level / self.share, 1.0))
        excess = -ratio if self.shape == 0 else np.expm1(-self.shape * ratio) / self.shape
        return float(self.start + self.scale * excess)


def fit_tail(ordered: Float32) -> Tail:
    """Fit the tail of scores in ascending order: (n,), n at least 1.

    The largest share that passes the check is taken, because the more excesses, the surer the fit;
    when none passes, the one that comes closest, which promises nothing.
    """
    n = len(ordered)
    counts = [int(n * share) for share in SHARES if int(n * share) >= MIN_EXCESSES]
    best: tuple[float, Tail] | None = None
    for count in counts or [min(n - 1, max(n // 10, 10))]:
        tail, misfit = _fitted(ordered, count)
        if tail.fits:
            return tail
        if best is None or misfit < best[0]:
            best = misfit, tail
    assert best is not None
    return best[1]


def _fitted(ordered: Float32, count: int) -> tuple[Tail, float]:
    """Fit the scores above all but the highest `count`; also say how badly, 1 being the limit."""
    n = len(ordered)
    start = float(ordered[n - 1 - count])
    excess = ordered[ordered > start].astype(np.float64) - start
    share = (len(excess) + 1) / (n + 1)  # the conformal rank just above the start
    if not len(excess):  # the highest scores are all the same: fall by their size
        return Tail(start, share, 0.0, max(abs(start), 1e-12), 0, fits=False), np.inf
    shape, scale = fit_excess(excess)
    misfit = anderson_darling(excess, shape, scale) / float(np.interp(shape, SHAPES, CRITICAL))
    fits = len(excess) >= MIN_EXCESSES and misfit <= 1
    return Tail(start, share, shape, scale, len(excess), fits=fits), misfit


def fit_excess(excess: Float64) -> tuple[float, float]:
    """Return the likeliest shape (0 or more) and scale of excesses above 0: (k,).

    With the ratio r of shape to scale given, the likeliest shape is the mean of log(1 + r x), so
    one number is searched for: Grimshaw: Computing maximum likelihood estimates for the
    generalized Pareto distribution (1993).
    """
    from scipy.optimize import minimize_scalar

    mean = float(excess.mean())
    relative = excess / mean

    def loss(log_ratio: float) -> float:
        shape = float(np.log1p(np.exp(log_ratio) * relative).mean())
        return float(np.log(shape) - log_ratio + shape)

    grid = np.linspace(-7, 7, 29)
    best = int(np.argmin([loss(each) for each in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    if found.fun >= 0.0:  # that of the exponential distribution, in units of its mean
        return 0.0, mean
    shape = float(np.log1p(np.exp(found.x) * relative).mean())
    return shape, shape / float(np.exp(found.x)) * mean


def anderson_darling(excess: Float64, shape: float, scale: float) -> float:
    """Return how far excesses are from the distribution, its ends counting most: (k,).

    Anderson, Darling: A test of goodness of fit (1954), equation 2.
    """
    log_above = _log_survival(np.sort(excess) / scale, shape)
    log_below = np.log(np.maximum(-np.expm1(log_above), TINY))
    weight = 2 * np.arange(1, len(excess) + 1) - 1
    return float(-len(excess) - np.mean(weight * (log_below + log_above[::-1])))


def _log_survival(excess: Float64, shape: float) -> Float64:
    """Return the logarithm of the share above excesses in units of the scale: (N,) -> (N,)."""
    return -excess if shape == 0 else -np.log1p(shape * excess) / shape
