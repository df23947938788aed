"""What a scoring run tells of drift: warnings, and an alert of a slow fault of one entity."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aedetect.drift import fault_alerts, find_shifts, shift_warnings
from aedetect.drift.shifts import SLOW_FAULT
from aedetect.jobs.finished_run import Finished
from aedetect.scoring.outcome_table import NOT_KEPT, alerts_of_outcome
from aedetect.scoring.run_log import read_runs
from aedetect.scoring.run_warnings import LEVEL_SHIFT

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from aedetect.jobs.scoring_stages import ScoringJob
    from aedetect.scoring import Summary

_RUNS = 20  # that are looked at for the last one that scored


def with_shifts(summary: Summary, job: ScoringJob, *, before: Collection[str] = ()) -> Finished:
    """Decide what has shifted on the last day that was scored, and add it to the summary.

    `before` are the texts of alerts about the promise that stand. A run that scored nothing repeats
    alerts alone, which would count as over otherwise.
    """
    told = (SLOW_FAULT in text for text in alerts_before(job.output))
    if not (summary.partitions or any(told)):
        return Finished(summary=summary)
    found = find_shifts(job.output)
    alerts = fault_alerts(found)
    if alerts:
        summary = replace(summary, alerts=_others(summary, job, alerts, before) | alerts)
    if not summary.partitions:
        return Finished(summary=summary, shifts=found)
    since = min((str(unit.partition)[:10] for unit in job.plan.compute), default="")
    rest = [each for each in found if f"{SLOW_FAULT}: {each.entity}" not in alerts]
    warnings = (*summary.warnings, *shift_warnings(rest, since=since))
    return Finished(summary=replace(summary, warnings=warnings), shifts=found)


def _others(
    summary: Summary, job: ScoringJob, faults: Collection[str], before: Collection[str]
) -> dict[str, str]:
    """Return the alerts beside those of slow faults, which stand for others of the same entities.

    Thresholds that follow end one event after the other while a fault grows: each shift of level
    would be an alert anew. And a fault is no reason to train again.
    """
    begin = f"{LEVEL_SHIFT}: "
    covered = {name.partition(": ")[2] for name in faults}
    others = {
        name: text
        for name, text in summary.alerts.items()
        if name.partition(": ")[0] != NOT_KEPT and name.removeprefix(begin) not in covered
    }
    shifted = {name.removeprefix(begin) for name in others if name.startswith(begin)}
    return others | alerts_of_outcome(
        summary.outcome,
        factor=job.promise_factor,
        but=covered | shifted,
        before=before,
        renewed=job.renewed,
    )


def alerts_before(output: Path) -> tuple[str, ...]:
    """Return the texts of the alerts of the scoring run before; one that failed could not tell."""
    before = (
        run["alerts"]
        for run in read_runs(output, limit=_RUNS)
        if run["command"] == "score" and run["status"] != "failed"
    )
    return tuple(next(before, ()))
