"""Explanations of anomalous rows: the contribution and the expected value of each feature."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
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

__getattr__ = on_first_use(
    __name__,
    {
        "causes": ("rank_causes",),
        "counterfactual": (
            "blame_features",
            "find_counterfactual",
            "weigh_causes",
        ),
        "expected_range": ("outside_limits",),
    },
)
