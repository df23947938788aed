"""Scores of several models on the same rows -> who ranks where, and whether that is more than luck.

Average precision row by row, without any adjustment. Every planted anomaly weighs the same, however
long it is, and those measured together weigh as if one row in twenty were anomalous: so kinds and
strengths compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64, Text

SHARE = 0.05  # of anomalous rows: the average precision of a random score
_RESAMPLES = 400  # of the planted anomalies
_INTERVAL = (2.5, 97.5)  # per cent


@dataclass(frozen=True)
class Planted:
    """The altered rows that are scored: shapes (P,)."""

    anomaly: Int64  # which one a row belongs to, counted from 0
    kind: Text
    strength: Float64


@dataclass(frozen=True)
class Found:
    """What one model made of the normal rows (N,) and of the altered ones (P,)."""

    normal: Float32
    planted: Float32


@dataclass(frozen=True, kw_only=True)
class Lead:
    """By how much one mean average precision exceeds another, and where 95 % of resamples lie."""

    difference: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether other anomalies of the same kinds might have turned it round."""
        return self.low <= 0 <= self.high


def precision(normal: Float32, anomalous: Float32, weight: Float64 | None = None) -> float:
    """Return the average precision of anomalous rows among normal ones, which weigh 1 each."""
    from sklearn.metrics import average_precision_score

    truth = np.repeat([False, True], [len(normal), len(anomalous)])
    weights = None if weight is None else np.concatenate([np.ones(len(normal)), weight])
    scores = np.concatenate([normal, anomalous])
    return float(average_precision_score(truth, scores, sample_weight=weights))


def weights_of(anomaly: Int64, *, normal: int) -> Float64:
    """Return the weight of each altered row beside so many normal ones: (P,).

    >>> weights_of(np.array([0, 1, 1]), normal=38).round(9).tolist()
    [1.0, 0.5, 0.5]
    """
    each = 1 / np.bincount(anomaly)[anomaly]
    return np.asarray(each * (normal * SHARE / (1 - SHARE) / each.sum()))


def by_kind(found: Found, planted: Planted) -> dict[str, float]:
    """Return the average precision of each kind, in the order in which they were planted."""
    kinds = dict.fromkeys(planted.kind.tolist())
    return {kind: _precision_of(found, planted, planted.kind == kind) for kind in kinds}


def by_strength(found: Found, planted: Planted) -> dict[float, float]:
    """Return the average precision of each strength."""
    strengths = np.unique(planted.strength).tolist()
    return {size: _precision_of(found, planted, planted.strength == size) for size in strengths}


def _precision_of(found: Found, planted: Planted, chosen: Bool) -> float:
    weight = weights_of(planted.anomaly[chosen], normal=len(found.normal))
    return precision(found.normal, found.planted[chosen], weight)


def lead(first: Found, second: Found, planted: Planted, *, seed: int) -> Lead:
    """Compare the means over the kinds; the anomalies, not their rows, are drawn again."""
    random = np.random.default_rng(seed)
    anomalies = int(planted.anomaly.max()) + 1
    draws = random.integers(anomalies, size=(_RESAMPLES, anomalies))
    resampled = [np.bincount(draw, minlength=anomalies).astype(np.float64) for draw in draws]
    counts = [np.ones(anomalies), *resampled]
    differences = np.subtract(*(_resampled(found, planted, counts) for found in (first, second)))
    low, high = np.percentile(differences[1:], _INTERVAL)
    return Lead(difference=float(differences[0]), low=float(low), high=float(high))


def agreement(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Kendall's tau of two rankings, None where one of them ranks nothing."""
    from scipy.stats import kendalltau

    tau = float(kendalltau(first, second).statistic) if len(first) > 1 else np.nan
    return None if np.isnan(tau) else tau


def _resampled(found: Found, planted: Planted, counts: Sequence[Float64]) -> Float64:
    """Return the mean over the kinds for each vector of counts by anomaly: (S,)."""
    means = np.zeros((len(counts), 0))
    for kind in dict.fromkeys(planted.kind.tolist()):
        chosen = planted.kind == kind
        owner = planted.anomaly[chosen]
        order, above = _ranked(found.normal, found.planted[chosen])
        weight = weights_of(owner, normal=len(found.normal))[order]
        column = [_precision(above, count[owner[order]] * weight) for count in counts]
        means = np.column_stack([means, column])
    return np.asarray(means.mean(axis=1))


def _ranked(normal: Float32, planted: Float32) -> tuple[Int64, Int64]:
    """Order altered rows, strangest first: their order, how many normal rows are as strange."""
    order = np.argsort(-planted, kind="stable")
    above = len(normal) - np.searchsorted(np.sort(normal), planted[order], side="left")
    return order, above


def _precision(above: Int64, weight: Float64) -> float:
    """Return the average precision of weighted rows, that of scikit-learn where none are tied."""
    hits = np.cumsum(weight)
    total = float(hits[-1])
    return float((weight * hits / np.maximum(hits + above, 1e-12)).sum() / total) if total else 0.0
