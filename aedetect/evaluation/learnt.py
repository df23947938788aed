"""What a version learnt as normal, in the eyes of the champion and of people."""

from __future__ import annotations

from dataclasses import dataclass

from aedetect.arrays import Bool
from aedetect.evaluation.gate import Check
from aedetect.evaluation.paired import greatest_value, least_value, resampled_means
from aedetect.evaluation.settings import PromotionSettings

LEARNT_FLAGGED = "learnt_flagged"  # names of the checks
LEARNT_KNOWN = "learnt_known"
_TOLD = 0.01  # share of an entity's rows that is worth its name


@dataclass(frozen=True, kw_only=True)
class LearntRows:
    """The rows that a version learnt, as they were judged when it was trained.

    Shares of them: known as anomalous; of the others, flagged by the champion of that time, though
    no one said that they are normal. `..._least` is the lower 95 % limit.
    """

    champion: str  # NAME/version
    rows: int  # judged
    known: float
    known_least: float
    flagged: float
    flagged_least: float
    entity: str | None  # with the largest share of either; None: there is only one
    entity_share: float

    @property
    def worst(self) -> str:
        """The entity with the largest share, as an addition to a text."""
        told = self.entity is not None and self.entity_share >= _TOLD
        return f" (most: {self.entity}, {self.entity_share:.1%})" if told else ""


def share_of_rows(marked: Bool) -> tuple[float, float]:
    """Return a share of rows that lie beside each other, and its lower limit: (N,)."""
    replicates = resampled_means(marked[None, :], seed=0)[:, 0]
    return float(marked.mean()), least_value(replicates)


def learnt_checks(
    learnt: LearntRows, recent: Bool, settings: PromotionSettings
) -> tuple[Check, ...]:
    """Compare the rows that it learnt with recent ones, and with none that are known anomalies.

    recent (N,): whether the champion flags a row that neither version learnt. Where the world has
    changed, recent rows are as unusual to the champion as those that were learnt.
    """
    most = greatest_value(resampled_means(recent[None, :], seed=0)[:, 0])
    flagged = Check(
        LEARNT_FLAGGED,
        learnt.flagged,
        float(recent.mean()),
        max(learnt.flagged_least - most, 0.0),
        settings.flagged,
        greater_is_better=False,
        text=f"share of the rows it learnt that {learnt.champion} flags{learnt.worst}",
    )
    known = Check(
        LEARNT_KNOWN,
        learnt.known,
        0.0,
        learnt.known_least,
        settings.known,
        greater_is_better=False,
        text=f"share of the rows it learnt as normal that are known anomalies{learnt.worst}",
    )
    return flagged, known
