"""Rank models by their scores on the same rows, with the uncertainty of the ranking.

The metric is average precision row by row, without adjustment. Every injected anomaly has the same
weight regardless of its length, and together they weigh as if one row in twenty were anomalous.
This makes kinds and strengths comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64, Text

SHARE = 0.05  # of anomalous rows: the average precision of a random score
_RESAMPLES = 400  # of the injected anomalies
_INTERVAL = (2.5, 97.5)  # per cent


@dataclass(frozen=True)
class InjectedRows:
    """The scored rows of injected anomalies: shapes (P,)."""

    anomaly: Int64  # index of the anomaly of each row
    kind: Text
    strength: Float64


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model for the normal rows (N,) and the injected ones (P,)."""

    normal: Float32
    injected: Float32


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Difference of two mean average precisions, and its 95 % interval over resamples."""

    difference: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval contains 0: other anomalies might reverse the order."""
        return self.low <= 0 <= self.high


def precision_of_flags(truth: Bool, score: Float32) -> float:
    """Return the average precision of some rows among all: (R,), (R,); at least one is true.

    That of scikit-learn without its checks, which take longer than the rest for a few hundred rows.

    >>> precision_of_flags(np.array([True, False, True]), np.array([3.0, 2.0, 1.0]))
    0.8333333333333333
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # of equal scores
    hits = np.cumsum(truth[order])[last]
    return float(np.sum(np.diff(hits, prepend=0) * (hits / (last + 1))) / hits[-1])


def precision(normal: Float32, anomalous: Float32, weight: Float64 | None = None) -> float:
    """Return the average precision of anomalous rows among normal ones of weight 1."""
    from sklearn.metrics import average_precision_score

    truth = np.repeat([False, True], [len(normal), len(anomalous)])
    weights = None if weight is None else np.concatenate([np.ones(len(normal)), weight])
    scores = np.concatenate([normal, anomalous])
    return float(average_precision_score(truth, scores, sample_weight=weights))


def weights_of(anomaly: Int64, *, normal: int) -> Float64:
    """Return the weight of each injected row, given the number of normal rows: (P,).

    >>> weights_of(np.array([0, 1, 1]), normal=38).round(9).tolist()
    [1.0, 0.5, 0.5]
    """
    each = 1 / np.bincount(anomaly)[anomaly]
    return np.asarray(each * (normal * SHARE / (1 - SHARE) / each.sum()))


def by_kind(found: ModelScores, injected: InjectedRows) -> dict[str, float]:
    """Return the average precision of each kind, in the order of injection."""
    kinds = dict.fromkeys(injected.kind.tolist())
    return {kind: _precision_of(found, injected, injected.kind == kind) for kind in kinds}


def by_strength(found: ModelScores, injected: InjectedRows) -> dict[float, float]:
    """Return the average precision of each strength."""
    strengths = np.unique(injected.strength).tolist()
    return {size: _precision_of(found, injected, injected.strength == size) for size in strengths}


def _precision_of(found: ModelScores, injected: InjectedRows, chosen: Bool) -> float:
    weight = weights_of(injected.anomaly[chosen], normal=len(found.normal))
    return precision(found.normal, found.injected[chosen], weight)


def lead(first: ModelScores, second: ModelScores, injected: InjectedRows, *, seed: int) -> Lead:
    """Compare the means over the kinds; the bootstrap resamples anomalies, not rows."""
    random = np.random.default_rng(seed)
    anomalies = int(injected.anomaly.max()) + 1
    draws = random.integers(anomalies, size=(_RESAMPLES, anomalies))
    resampled = [np.bincount(draw, minlength=anomalies).astype(np.float64) for draw in draws]
    counts = [np.ones(anomalies), *resampled]
    differences = np.subtract(*(_resampled(found, injected, counts) for found in (first, second)))
    low, high = np.percentile(differences[1:], _INTERVAL)
    return Lead(difference=float(differences[0]), low=float(low), high=float(high))


def agreement(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Kendall's tau of two rankings; None when undefined."""
    from scipy.stats import kendalltau

    tau = float(kendalltau(first, second).statistic) if len(first) > 1 else np.nan
    return None if np.isnan(tau) else tau


def _resampled(found: ModelScores, injected: InjectedRows, counts: Sequence[Float64]) -> Float64:
    """Return the mean over the kinds for each vector of counts by anomaly: (S,)."""
    means = np.zeros((len(counts), 0))
    for kind in dict.fromkeys(injected.kind.tolist()):
        chosen = injected.kind == kind
        owner = injected.anomaly[chosen]
        order, above = _ranked(found.normal, found.injected[chosen])
        weight = weights_of(owner, normal=len(found.normal))[order]
        column = [_precision(above, count[owner[order]] * weight) for count in counts]
        means = np.column_stack([means, column])
    return np.asarray(means.mean(axis=1))


def _ranked(normal: Float32, injected: Float32) -> tuple[Int64, Int64]:
    """Return the descending order of injected rows, and how many normal rows score as high."""
    order = np.argsort(-injected, kind="stable")
    above = len(normal) - np.searchsorted(np.sort(normal), injected[order], side="left")
    return order, above


def _precision(above: Int64, weight: Float64) -> float:
    """Return the average precision of weighted rows; equal to scikit-learn without ties."""
    hits = np.cumsum(weight)
    total = float(hits[-1])
    return float((weight * hits / np.maximum(hits + above, 1e-12)).sum() / total) if total else 0.0
