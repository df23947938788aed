"""What a page shows beside the output folders: from the configuration, registry and detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from aedetect.output.partitions import Span
from aedetect.report.forewarning import BEFORE
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    from aedetect.evaluation import KnownAnomalies
    from aedetect.scoring.maintenance import Interval
    from aedetect.scoring.outcome import PeriodOutcome

Quality = Literal["High", "Medium", "Low"]


@dataclass(frozen=True, kw_only=True)
class SensorGrade:
    """How much a column can tell, and why it is not graded higher."""

    name: str
    grade: Quality
    reason: str


@dataclass(frozen=True, kw_only=True)
class PageFacts:
    """The facts of a detector that its output does not hold. What is not known is left out."""

    detector: str
    config: str  # path of the configuration, as commands name it
    model: str  # NAME/version
    calibration: int | None = None
    span: Span = field(default_factory=Span)
    days: int = 30  # up to the newest scored row, when the span has no start
    clock: WallClock = field(default_factory=WallClock)
    units: Mapping[str, str] = field(default_factory=dict)
    budget: str | None = None  # as configured, such as "2 per day"
    budget_a_day: float | None = None  # of all entities together
    usual: tuple[float, float] | None = None  # events a day on held-out rows, low and high
    outcome: tuple[PeriodOutcome, ...] = ()
    maintenance: tuple[Interval, ...] = ()
    known: tuple[KnownAnomalies, ...] | None = None  # labelled; None: there are no labels
    forewarning: int = BEFORE  # ns before a labelled anomaly, in which an event foretells it
    complete: bool = True  # whether all anomalies are labelled, and not some events
    sensors: tuple[SensorGrade, ...] = ()
    trained: Mapping[str, str] = field(default_factory=dict)  # about the model, by words
    notes: tuple[str, ...] = ()  # what could not be looked up, and why
    version: str = ""  # of aedetect
    written: str | None = None  # when the page was made
