"""Explanations of anomalous rows: the contribution and the expected value of each feature."""

from aedetect.explain.causes import rank_causes
from aedetect.explain.counterfactual import blame_features, find_counterfactual, weigh_causes
from aedetect.explain.expected_range import outside_limits

__all__ = [
    "blame_features",
    "find_counterfactual",
    "outside_limits",
    "rank_causes",
    "weigh_causes",
]
