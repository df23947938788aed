"""Outcome and drift in MLflow: metrics over time on the run of the version, and tables.

Once a day of data, since MLflow takes seconds to import and its database takes one writer at a
time. What a run knows otherwise is in `runs/`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aedetect import registry
from aedetect.errors import AedetectError, UnknownModel
from aedetect.logs import log_event
from aedetect.output.catalog import newest_files
from aedetect.output.partitions import SCORES
from aedetect.quick_start import unsearched
from aedetect.registry.outcome_log import (
    OUTCOME_DAY,
    PAGE_DAY,
    ask_mlflow,
    is_logged,
    log_outcome,
    log_page,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aedetect.config import Config
    from aedetect.drift import Shift
    from aedetect.jobs.finished_run import Finished
    from aedetect.jobs.scoring_stages import ScoringJob
    from aedetect.registry import Registered
    from aedetect.registry.records import Table
    from aedetect.scoring import Summary
    from aedetect.scoring.outcome import PeriodOutcome

logger = logging.getLogger(__name__)

_SHARES = {"flagged": "share", "flagged_low": "low", "flagged_high": "high", "promise": "most"}
_EVENTS = {"events_a_day": "events_a_day", "events_foreseen": "events_promise"}
_LATER = ("pandas", "scipy.special")  # of drift and outcome
_MOST_SHIFTS = 50  # in the table; all are counted


def note_outcome(config: Config, finished: Finished) -> Finished:
    """Log the outcome of the last days, and drift, after the first run of a day of data.

    A failure is a warning: the verdicts are written. Of a model that is in no registry nothing is.
    """
    summary, shifts = finished.summary, finished.shifts or ()
    if not summary.outcome:
        return finished
    try:
        if (day := _unlogged(config, summary, OUTCOME_DAY)) is not None:
            version, newest = day
            log_outcome(
                version,
                at=newest,
                metrics={**_outcome_metrics(summary.outcome), **_drift_metrics(shifts)},
                tables=_tables(summary.outcome, shifts),
                tracking_uri=config.tracking_uri,
            )
    except AedetectError as error:
        text = f"outcome and drift are not in MLflow ([registry] log_scoring): {error}"
        return finished.with_warning(text)
    return finished


def open_registry_ahead(config: Config, job: ScoringJob) -> None:
    """Import what the end of a run takes, in a thread; ask MLflow if the run will log its outcome.

    What fails there fails again where it is needed, and is told there.
    """
    newest = max(unit.partition.start for unit in job.plan.compute)

    def ask() -> None:
        with suppress(Exception):
            with unsearched():
                for name in _LATER:
                    import_module(name)
            if not config.registry.log_scoring:
                return
            version = registry.find_version(job.summary.model, tracking_uri=config.tracking_uri)
            if not is_logged(version, OUTCOME_DAY, at=newest):
                ask_mlflow(version, tracking_uri=config.tracking_uri)

    threading.Thread(target=ask, name="registry", daemon=True).start()


def note_page(config: Config, summary: Summary, page: Path | None) -> None:
    """Log the page of the first run of a day of data, if there is one, on the run of the version.

    A failure is told in the log: the page is written.
    """
    if page is None:
        return
    try:
        if (day := _unlogged(config, summary, PAGE_DAY)) is not None:
            version, newest = day
            log_page(version, page, at=newest, tracking_uri=config.tracking_uri)
    except AedetectError as error:
        log_event(logger, "note", text=f"the page is not in MLflow: {error}")


def _unlogged(config: Config, summary: Summary, tag: str) -> tuple[Registered, int] | None:
    """Return the version and the newest day (ns) if a run scored, and the day is not logged."""
    if not (config.registry.log_scoring and summary.partitions):
        return None
    newest = next(newest_files(config.output, SCORES)).partition.start
    try:
        version = registry.find_version(summary.model, tracking_uri=config.tracking_uri)
    except UnknownModel:
        return None
    return None if is_logged(version, tag, at=newest) else (version, newest)


def _outcome_metrics(found: Sequence[PeriodOutcome]) -> dict[str, float]:
    """Return figures of all entities together by period, and how many are surely above."""
    metrics: dict[str, float] = {}
    for each in found:
        if not each.together:
            continue
        for name, of in (_SHARES | _EVENTS).items():
            value = getattr(each, of)
            if value is not None:
                metrics[f"outcome_{name}_{each.period}d"] = value
        metrics[f"outcome_entities_above_{each.period}d"] = each.above
    return metrics


def _drift_metrics(shifts: Sequence[Shift]) -> dict[str, float]:
    """Return how many entities have shifted, and how far."""
    times = [each.times for each in shifts if each.times is not None]
    return {
        "drift_entities": sum(each.entities for each in shifts),
        "drift_world": float(any(each.world for each in shifts)),
        "drift_columns": len({name for each in shifts for name in each.columns}),
        "drift_score_times": max(times, default=1.0),
    }


def _tables(found: Sequence[PeriodOutcome], shifts: Sequence[Shift]) -> dict[str, Table]:
    """Return the outcome by entity, those furthest above, and what has shifted."""
    columns = ("entity", "world", "since", "until", "kind", "columns", "times", "text")
    listed = [asdict(each) for each in shifts[:_MOST_SHIFTS]]
    outcome = [asdict(each) for each in found]
    return {
        "outcome.json": {name: [each[name] for each in outcome] for name in outcome[0]},
        "drift.json": {name: [_cell(each[name]) for each in listed] for name in columns},
    }


def _cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, tuple) else value
