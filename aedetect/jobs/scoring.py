"""A scoring run: its stages as plain functions, and the order in which they are called.

The flow in `pipelines/scoring.py` is `run_scoring` with the same stages as Prefect tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.drift import DRIFT
from aedetect.events import form_events
from aedetect.events.ongoing import find_level_shifts
from aedetect.execution.kept_processes import keeping_processes
from aedetect.jobs import delivery
from aedetect.jobs.alert_ends import ends_of_alerts
from aedetect.jobs.outcome_record import note_outcome, note_page
from aedetect.jobs.recording import record_run, workspace
from aedetect.jobs.renewal_steps import compute_in_steps
from aedetect.jobs.report import is_page_current, page_path, write_run_page
from aedetect.jobs.retraining import with_retraining
from aedetect.jobs.scoring_plan import plan_run, sort_run
from aedetect.jobs.scoring_stages import ScoringJob, ScoringStages, no_lines, no_report
from aedetect.jobs.scoring_units import compute_units
from aedetect.jobs.shadow_run import follow_shadow
from aedetect.jobs.shifts import alerts_before, with_shifts
from aedetect.logs import log_event
from aedetect.output.catalog import withdraw_files
from aedetect.output.partitions import EVENTS, FLAGGED, SCORES, Span
from aedetect.scoring import Model, Summary
from aedetect.scoring.run_log import Clock
from aedetect.scoring.summarize import outcome_of, summarize_run
from aedetect.scoring.summary import check_strict
from aedetect.scoring.worker import ComputedPartition, Deferred

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.events.table import EventChanges
    from aedetect.jobs.finished_run import Finished

logger = logging.getLogger(__name__)


def resolve_model(config: Config) -> Model:
    """Return the model that scores, from the registry."""
    registered = registry.find_version(config.model_reference, tracking_uri=config.tracking_uri)
    folder = registry.fetch_version(registered, tracking_uri=config.tracking_uri)
    return Model(folder=str(folder), name=registered.name, version=registered.version)


def form_run_events(job: ScoringJob) -> EventChanges:
    """Form events from all flagged rows, once every partition is computed.

    The flagged rows of partitions without input are withdrawn first: if the run is killed before
    the rest is withdrawn and the input comes back, the next run computes these partitions again.
    """
    withdraw_files(job.output, FLAGGED, job.plan.withdraw)
    changes = form_events(job.output, job.formation, leaving=job.plan.withdraw)
    log_event(logger, "events", **changes.counts)
    return changes


def finish_run(
    job: ScoringJob, results: Iterable[ComputedPartition | Deferred], changes: EventChanges
) -> Finished:
    """Withdraw the partitions without input, and return the summary, with what has shifted."""
    # The scores last: they record what remains to be done.
    for kind in (EVENTS, DRIFT, FLAGGED, SCORES):
        withdraw_files(job.output, kind, job.plan.withdraw)
    factor = job.promise_factor
    found = outcome_of(job.model, job.output, renewed=job.renewed, factor=factor)
    off = any((each.low or 0) > factor * each.most for each in found)
    before = alerts_before(job.output) if off else ()
    summary = summarize_run(
        job.summary,
        job.plan,
        results,
        changes,
        asked=job.asked,
        outcome=found,
        factor=factor,
        shifts=find_level_shifts(job.output, job.formation),
        before=before,
        renewed=job.renewed,
    )
    return with_shifts(summary, job, before=before)


PLAIN = ScoringStages(
    check_delivery=delivery.check_delivery,
    resolve_model=resolve_model,
    plan=plan_run,
    sort=sort_run,
    compute=compute_units,
    form_events=form_run_events,
    finish=finish_run,
    write_page=write_run_page,
    draw_lines=no_lines,
    report=no_report,
    notify=delivery.notify,
    fill_database=delivery.fill_database,
)


def run_scoring(
    config: Config,
    *,
    span: Span | None = None,
    rescore: bool = False,
    force: bool = False,
    clock: Clock | None = None,
    what_if: bool = False,
    model: Model | None = None,
    job: ScoringJob | None = None,
    run_id: str | None = None,
    config_path: str | None = None,
    stages: ScoringStages = PLAIN,
) -> Summary:
    """Score new and changed input: the order of the stages of a scoring run.

    Without a clock, no row is written to `runs/` and the age of the data is not checked. A
    `what_if` run, such as one with another model and output, notifies no one, fills no database
    and writes no page. A given model is not resolved again, and a given job not planned again.
    """
    started = None if job is None else job.started
    recorded = record_run(config, clock=clock, run_id=run_id, started=started)
    with recorded as record, keeping_processes() as processes:
        if not what_if:
            stages.check_delivery(config)
        model, asked = model or stages.resolve_model(config), span or Span()
        with workspace(config) as scratch:
            job = job or stages.plan(
                config, model, span=asked, rescore=rescore, force=force, scratch=scratch
            )
            if job.plan.compute:
                job = stages.sort(config, job, scratch=scratch)
            log_event(logger, "plan", files=job.files, partitions=len(job.plan.compute))
            done = compute_in_steps(config, job, stages.compute, follow=not what_if)
            changes = stages.form_events(done.job)
            finished = stages.finish(done.job, done.results, changes)
            if not what_if:
                finished = note_outcome(config, finished)
                finished = with_retraining(config, finished, stages.start_training)
            summary = record(finished.summary)
        if not what_if:
            stages.draw_lines(config, done.job, processes)
    if config.report.to is not None and not what_if:
        is_current = summary.did_nothing and is_page_current(config, config_path=config_path)
        write = partial(stages.write_page, now=clock and clock(), shifts=finished.shifts)
        page = page_path(config) if is_current else write(config, config_path=config_path)
        note_page(config, summary, page)
    stages.report(config, summary, changes)
    if config.notify.listed and not what_if:
        ended = ends_of_alerts(summary, done.job, finished.shifts)
        stages.notify(config, config_path=config_path, alerts=summary.alerts, ended=ended)
    if config.database.url is not None and not what_if:
        stages.fill_database(config)
    # Last, so that no one waits for it.
    if config.promotion.shadow is not None and not (what_if or rescore or force):
        quiet = replace(stages, report=no_report)
        follow_shadow(config, partial(run_scoring, clock=clock, what_if=True, stages=quiet))
    if config.scoring.strict:
        check_strict(summary)
    return summary
