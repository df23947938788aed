"""The partitions of a run whose thresholds follow: in order of time, with renewals between them.

A renewal is made when the first rows after it come: before a partition that begins where all that
are written end. So it rests on whole partitions however often runs are, and a run that scores a
month gives what a run a day would have given: the same versions of the calibration, each day judged
by the one in force at its start. Between two renewals partitions are computed together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.calibration.trust import SOONER
from aedetect.detector import read_saved_history
from aedetect.jobs.renewal import renew_if_due
from aedetect.jobs.table_clock import table_clock
from aedetect.output.catalog import newest_files
from aedetect.output.partitions import SCORES
from aedetect.scoring.loaded import cached_outline
from aedetect.timestamps import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aedetect.config import Config
    from aedetect.jobs.scoring_stages import ComputeStage, ScoringJob
    from aedetect.scoring import Model, Unit
    from aedetect.scoring.worker import ComputedPartition, Deferred


_NEVER = -(2**62)  # ns


@dataclass(frozen=True)
class Computed:
    """The partitions of a run, and its job with the model as it was renewed."""

    job: ScoringJob
    results: Sequence[ComputedPartition | Deferred]


def compute_in_steps(
    config: Config, job: ScoringJob, compute: ComputeStage, *, follow: bool
) -> Computed:
    """Compute the partitions of a plan; with `follow`, renew the thresholds where that is due.

    A renewal that is refused is a warning of the run, unless a later one succeeds: the thresholds
    stay. So is a column rule that is accepted.
    """
    every = config.renew
    if every is None or not follow:
        return Computed(job, _computed(config, job, job.plan.compute, compute))
    soonest, refused = parse_duration(every) // SOONER, ""
    accepted: tuple[str, ...] = ()
    until, last = _written_until(config, job), _renewed(job.model)
    results: list[ComputedPartition | Deferred] = []
    waiting: list[Unit] = []
    for unit in job.plan.compute:
        start, end = unit.bounds
        if until is not None and start >= until >= last + soonest:
            results += _computed(config, job, waiting, compute)
            model, refused, new = renew_if_due(config, job.model)
            job, last, waiting = replace(job, model=model), _renewed(model), []
            accepted += new
        waiting.append(unit)
        until = end if until is None else max(until, end)
    results += _computed(config, job, waiting, compute)
    return Computed(_told(job, (*accepted, *filter(None, [refused]))), results)


def _computed(
    config: Config, job: ScoringJob, units: Sequence[Unit], compute: ComputeStage
) -> Sequence[ComputedPartition | Deferred]:
    return compute(units, model=job.model, output=job.output, settings=config.scoring)


def _written_until(config: Config, job: ScoringJob) -> int | None:
    """Return the end (ns) of the newest partition; None without any."""
    clock = table_clock(config, cached_outline(job.model.folder).schema)
    ends = (file.partition.bounds(clock)[1] for file in newest_files(job.output, SCORES))
    return next(ends, None)


def _renewed(model: Model) -> int:
    """Return since when (ns) the newest renewal is in force; long ago without any."""
    last = read_saved_history(Path(model.folder)).renewed
    return _NEVER if last is None else last


def _told(job: ScoringJob, more: tuple[str, ...]) -> ScoringJob:
    """Return the job with the calibration that its last rows were judged by, and warnings."""
    version = cached_outline(job.model.folder).calibration.version
    warnings = (*job.summary.warnings, *more)
    return replace(
        job, summary=replace(job.summary, calibration_version=version, warnings=warnings)
    )
