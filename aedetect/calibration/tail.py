"""The tail of held-out scores: p-values of scores above all of them.

Excesses over a high threshold follow a generalised Pareto distribution, whatever the distribution
below it: Pickands: Statistical inference using extreme order statistics (1975); Balkema, de Haan
(1974). Siffer et al. use it on streams: Anomaly detection in streams with extreme value theory
(2017). The shape is constrained to 0 or more: a negative shape implies a largest possible score,
and a p-value of 0 beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aedetect.arrays import Float32, Float64

SHARES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # candidate shares of the scores in the tail
MIN_EXCESSES = 30  # excesses needed for a fit
TINY = float(np.finfo(np.float64).tiny)  # lower bound of p-values: never 0

# The Anderson-Darling statistic that 5 % of true tails exceed, when shape and scale are estimated
# as here. Simulated, because the constrained shape estimate differs from that of the tables in
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
    fits: bool  # whether it passed the goodness-of-fit check, so it may support a promise

    def p_values(self, scores: npt.ArrayLike) -> Float64:
        """Return the share of normal rows above each score; scores lie beyond the start: (N,).

        >>> Tail(1.0, 0.1, 0.0, 1.0, 30, True).p_values([1.0]).tolist()
        [0.1]
        """
        excess = np.maximum(np.asarray(scores, dtype=np.float64) - self.start, 0) / self.scale
        return np.maximum(self.share * np.exp(_log_survival(excess, self.shape)), TINY)

    def score_at(self, level: float) -> float:
        """Return the score that this share of normal rows exceeds; at least the start."""
        ratio = np.log(min(level / self.share, 1.0))
        excess = -ratio if self.shape == 0 else np.expm1(-self.shape * ratio) / self.shape
        return float(self.start + self.scale * excess)


def fit_tail(ordered: Float32) -> Tail:
    """Fit the tail of scores in ascending order: (n,), n at least 1.

    Takes the largest share that passes the check, because more excesses give a better estimate.
    When none passes, takes the closest, which supports no promise.
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
    """Fit the `count` highest scores; also return the misfit, of which 1 is the limit."""
    n = len(ordered)
    start = float(ordered[n - 1 - count])
    excess = ordered[ordered > start].astype(np.float64) - start
    share = (len(excess) + 1) / (n + 1)  # the conformal rank just above the start
    if not len(excess):  # the highest scores are equal: decay on the scale of their size
        return Tail(start, share, 0.0, max(abs(start), 1e-12), 0, fits=False), np.inf
    shape, scale = fit_excess(excess)
    misfit = anderson_darling(excess, shape, scale) / float(np.interp(shape, SHAPES, CRITICAL))
    fits = len(excess) >= MIN_EXCESSES and misfit <= 1
    return Tail(start, share, shape, scale, len(excess), fits=fits), misfit


def fit_excess(excess: Float64) -> tuple[float, float]:
    """Return the maximum likelihood shape (0 or more) and scale of excesses above 0: (k,).

    Given the ratio r of shape to scale, the likelihood is maximal for the shape mean(log(1 + r x)),
    so the search is one-dimensional: Grimshaw: Computing maximum likelihood estimates for the
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
    """Return the Anderson-Darling distance of excesses from the distribution: (k,).

    Anderson, Darling: A test of goodness of fit (1954), equation 2.
    """
    log_above = _log_survival(np.sort(excess) / scale, shape)
    log_below = np.log(np.maximum(-np.expm1(log_above), TINY))
    weight = 2 * np.arange(1, len(excess) + 1) - 1
    return float(-len(excess) - np.mean(weight * (log_below + log_above[::-1])))


def _log_survival(excess: Float64, shape: float) -> Float64:
    """Return the logarithm of the share above excesses in units of the scale: (N,) -> (N,)."""
    return -excess if shape == 0 else -np.log1p(shape * excess) / shape
