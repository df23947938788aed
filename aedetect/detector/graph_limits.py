"""What a scorer does that the graph of its score does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.detector.scorer import Scorer

SCORES = ("ensemble", "mse", "standardized", "mahalanobis", "top_k")  # that a graph can hold


def lacking_steps(scorer: Scorer) -> list[tuple[str, str]]:
    """Return what a scorer does that a graph does not hold, and what to do about each."""
    schema, preparation = scorer.schema, scorer.preparation
    counters = [each.name for each in schema.features if each.counter]
    found = {
        f'[calibration] score = "{scorer.score}"': (
            scorer.score not in SCORES, f"set one of {', '.join(SCORES)}"
        ),
        f'[calibration] alignment = "{scorer.alignment}"': (
            scorer.alignment != "causal", 'set alignment = "causal"'
        ),
        '[prepare] scaler = "quantile"': (
            preparation.scaling.quantiles is not None, 'set scaler = "robust"'
        ),
        f"the increase of counters ({', '.join(counters[:5])})": (
            bool(counters), '[data] exclude them, or set counters = "keep"'
        ),
        f"[data] context in the zone {preparation.clock.zone}": (
            bool(schema.context) and preparation.clock.is_shifted, 'set timezone = "UTC"'
        ),
    }  # fmt: skip
    return [(what, remedy) for what, (lacks, remedy) in found.items() if lacks]
