"""The result of a comparison of variants, and its summary sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aedetect.evaluation.ranking import Lead
from aedetect.models.settings import VariantName

LINEAR: VariantName = "linear"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The metrics of one variant."""

    variant: VariantName
    kinds: Mapping[str, float]  # average precision on injected anomalies, by kind
    strengths: Mapping[float, float]  # by strength, in standard deviations, over all kinds
    labelled: float | None  # average precision on labelled rows
    seconds: float  # CPU time of training, one core
    rows_per_second: float  # scoring, one core
    injected: float = field(init=False)  # mean over the kinds

    def __post_init__(self) -> None:
        """Derive the metric that ranks the variants."""
        object.__setattr__(self, "injected", sum(self.kinds.values()) / len(self.kinds))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Variants, the best first, and the uncertainty of their order."""

    results: tuple[Result, ...]
    lead: Lead | None  # of the winner over `rival`; None with one variant
    rival: VariantName  # linear, or the second best when linear wins
    anomalies: int  # injected
    injected_rows: int
    normal_rows: int
    labelled_rows: int
    agreement: float | None  # Kendall's tau between the two rankings
    seed: int
    run_id: str  # of the parent run in MLflow


def as_table(results: Sequence[Result]) -> dict[str, list[Any]]:
    """Return the metrics of the variants as columns, in the order of the results."""
    kinds = list(dict.fromkeys(kind for each in results for kind in each.kinds))
    strengths = list(dict.fromkeys(size for each in results for size in each.strengths))
    columns: dict[str, list[Any]] = {
        name: [getattr(each, name) for each in results]
        for name in ("variant", "injected", "labelled", "seconds", "rows_per_second")
    }
    columns |= {f"injected_{kind}": [each.kinds.get(kind) for each in results] for kind in kinds}
    for size in strengths:
        columns[f"injected_strength_{size:g}"] = [each.strengths.get(size) for each in results]
    return columns


def verdict(comparison: Comparison) -> str:
    """Return a sentence: which variant won, and whether it beats linear."""
    best, ahead = comparison.results[0], comparison.lead
    won = f"{best.variant} won with {best.injected:.3f} on injected anomalies"
    if ahead is None:
        return f"{won}: nothing else was compared."
    if best.variant == LINEAR:
        result = f"no variant beats it; {comparison.rival} comes next, {ahead.difference:.3f} below"
    else:
        result = f"it beats linear by {ahead.difference:.3f}"
    significance = "within noise" if ahead.is_noise else "beyond the noise of the anomalies drawn"
    return (
        f"{won}: {result} (95 % of resamples: {ahead.low:+.3f} to {ahead.high:+.3f}), "
        f"{significance}; seeds = 1: the variation of initial weights is not included."
        f"{_labelled_sentence(comparison.results)}"
    )


def _labelled_sentence(results: Sequence[Result]) -> str:
    """Return the result on labelled rows, if any; labels are the more reliable measure."""
    scores = {each.variant: each.labelled for each in results if each.labelled is not None}
    if len(scores) < 2:  # noqa: PLR2004 - one result is no comparison
        return ""
    best = max(scores, key=lambda name: scores[name])
    won = f" On the labelled rows {best} won with {scores[best]:.3f}"
    if best == LINEAR:
        return f"{won}: no variant beats it there."
    return f"{won}: it beats linear by {scores[best] - scores[LINEAR]:.3f} there."
