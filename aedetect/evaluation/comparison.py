"""What a comparison of variants came to, and what that says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aedetect.evaluation.ranking import Lead
from aedetect.models.settings import VariantName

LINEAR: VariantName = "linear"


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one variant did."""

    variant: VariantName
    kinds: Mapping[str, float]  # average precision on planted anomalies
    strengths: Mapping[float, float]  # by strength, in spreads, over all kinds
    labelled: float | None  # average precision on labelled rows
    seconds: float  # of training, of one processor
    rows_per_second: float  # scored, by one processor
    planted: float = field(init=False)  # the mean over the kinds

    def __post_init__(self) -> None:
        """Derive what ranks."""
        object.__setattr__(self, "planted", sum(self.kinds.values()) / len(self.kinds))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Variants, the best first, and what their order is worth."""

    results: tuple[Result, ...]
    lead: Lead | None  # of the winner over `rival`; None when there is nothing but linear
    rival: VariantName  # linear; when it wins, the next best
    anomalies: int  # planted
    planted_rows: int
    normal_rows: int
    labelled_rows: int
    agreement: float | None  # Kendall's tau between the two rankings
    seed: int
    run_id: str  # of the parent run in MLflow


def verdict(comparison: Comparison) -> str:
    """Say in a sentence which won, and whether it beats the linear one."""
    best, ahead = comparison.results[0], comparison.lead
    won = f"{best.variant} won with {best.planted:.3f} on planted anomalies"
    if ahead is None:
        return f"{won}: nothing else was compared."
    if best.variant == LINEAR:
        said = f"no variant beats it; {comparison.rival} comes next, {ahead.difference:.3f} below"
    else:
        said = f"it beats linear by {ahead.difference:.3f}"
    worth = "within noise" if ahead.is_noise else "beyond the noise of the anomalies drawn"
    return (
        f"{won}: {said} (95 % of resamples: {ahead.low:+.3f} to {ahead.high:+.3f}), {worth}; "
        f"seeds = 1: the noise of first weights is not in it.{_on_labels_too(comparison.results)}"
    )


def _on_labels_too(results: Sequence[Result]) -> str:
    """Say what the labels say, when there are any: they are the better judge."""
    scores = {each.variant: each.labelled for each in results if each.labelled is not None}
    if len(scores) < 2:  # noqa: PLR2004 - one is no comparison
        return ""
    best = max(scores, key=lambda name: scores[name])
    won = f" On the labelled rows {best} won with {scores[best]:.3f}"
    if best == LINEAR:
        return f"{won}: no variant beats it there."
    return f"{won}: it beats linear by {scores[best] - scores[LINEAR]:.3f} there."
