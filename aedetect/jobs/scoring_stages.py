"""The interface of the stages of a scoring run, such as plain functions or Prefect tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aedetect.events import Formation
from aedetect.jobs.retraining import RetrainingDue, suggest_training
from aedetect.scoring import Model, Plan, Summary

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.data import Schema
    from aedetect.delivery.alerts import Ended
    from aedetect.drift import Shift
    from aedetect.events.table import EventChanges
    from aedetect.execution.kept_processes import KeptProcesses
    from aedetect.jobs.finished_run import Finished
    from aedetect.output.partitions import Span
    from aedetect.scoring import Unit
    from aedetect.scoring.settings import ScoringSettings
    from aedetect.scoring.worker import ComputedPartition, Deferred


@dataclass(frozen=True, kw_only=True)
class ScoringJob:
    """The plan of a scoring run, and its model."""

    model: Model
    plan: Plan
    output: Path
    formation: Formation
    summary: Summary  # what is known before anything is computed
    asked: bool  # whether a span was given
    promise_factor: float = 3.0  # times the promise, from which more flagged rows are an alert
    renewed: bool = False  # whether the thresholds follow
    started: datetime | None = None  # when it was planned, if the run begins with that

    @property
    def files(self) -> int:
        """How many files can be scored."""
        found = self.summary
        return found.files - len(found.unreadable) - len(found.schema_mismatch)


def formation_of(config: Config, model: str, schema: Schema) -> Formation:
    """Return the settings by which the events of a model are formed."""
    settings = config.calibration
    return Formation(
        detector=model,
        by=config.scoring.partition,
        settings=config.events,
        units=config.data.units,
        rates=schema.rates,
        precision=settings.precision if settings.method == "precision" else None,
    )


class PlanStage(Protocol):
    """Lists the partitions to compute."""

    def __call__(
        self,
        config: Config,
        model: Model,
        *,
        span: Span,
        rescore: bool,
        force: bool,
        scratch: Path,
    ) -> ScoringJob:
        """Return the job. The scratch folder exists until it is done."""


class SortStage(Protocol):
    """Sorts the input of the partitions to compute, if that saves work."""

    def __call__(self, config: Config, job: ScoringJob, *, scratch: Path) -> ScoringJob:
        """Return the job. The scratch folder exists until it is done."""


class ComputeStage(Protocol):
    """Computes partitions, in any order and on any machine with access to the files."""

    def __call__(
        self, units: Sequence[Unit], *, model: Model, output: Path, settings: ScoringSettings
    ) -> Sequence[ComputedPartition | Deferred]:
        """Return the result of each partition; the settings say where they are computed."""


class PageStage(Protocol):
    """Writes the page of a run, if the settings ask for one."""

    def __call__(
        self,
        config: Config,
        *,
        config_path: str | None,
        now: datetime | None,
        shifts: Sequence[Shift] | None,
    ) -> Path | None:
        """Return where it is; None without one."""


class NotifyStage(Protocol):
    """Notifies receivers of events, and of alerts that have begun or are over."""

    def __call__(
        self, config: Config, *, config_path: str | None, alerts: Mapping[str, str], ended: Ended
    ) -> int:
        """Return the number of messages sent; a failing receiver is not an error."""


def no_report(_config: Config, _summary: Summary, _changes: EventChanges) -> None:
    """Report nothing: the summary is returned, and its log events are already written."""


def no_lines(_config: Config, _job: ScoringJob, _processes: KeptProcesses) -> None:
    """Draw nothing: who asks for a page waits for its lines."""


@dataclass(frozen=True, kw_only=True)
class ScoringStages:
    """The stages of a scoring run, in order."""

    check_delivery: Callable[[Config], object]
    resolve_model: Callable[[Config], Model]
    plan: PlanStage
    sort: SortStage
    compute: ComputeStage
    form_events: Callable[[ScoringJob], EventChanges]
    finish: Callable[[ScoringJob, Sequence[ComputedPartition | Deferred], EventChanges], Finished]
    write_page: PageStage
    draw_lines: Callable[[Config, ScoringJob, KeptProcesses], object]
    report: Callable[[Config, Summary, EventChanges], object]
    notify: NotifyStage
    fill_database: Callable[[Config], object]
    start_training: Callable[[Config, RetrainingDue], str] = suggest_training
