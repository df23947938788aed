"""A scoring run: its stages as plain functions, and the order in which they are called.

The flow in `pipelines/scoring.py` is `run_scoring` with the same stages as Prefect tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.data import find_files
from aedetect.drift import DRIFT, find_shifts, shift_warnings
from aedetect.events import form_events
from aedetect.events.ongoing import find_level_shifts
from aedetect.jobs import delivery
from aedetect.jobs.outcome_record import note_outcome
from aedetect.jobs.recording import record_run, workspace
from aedetect.jobs.renewal import renew_if_due
from aedetect.jobs.report import write_run_page
from aedetect.jobs.retraining import with_retraining
from aedetect.jobs.scoring_stages import ScoringJob, ScoringStages, formation_of, no_report
from aedetect.jobs.scoring_units import compute_units, shared_scratch
from aedetect.jobs.shadow_run import follow_shadow
from aedetect.jobs.suppression import suppression_of
from aedetect.jobs.table_clock import table_clock
from aedetect.logs import log_event
from aedetect.output import read_origins, written
from aedetect.output.catalog import check_owner, withdraw_files
from aedetect.output.partitions import EVENTS, FLAGGED, SCORES, Span
from aedetect.scoring import Model, Summary, Unit, cached_detector, make_plan
from aedetect.scoring.input_cache import read_input_cache, write_input_cache
from aedetect.scoring.input_changes import find_input_changes, is_first_run
from aedetect.scoring.loaded import calibration_at
from aedetect.scoring.plan import fingerprinted
from aedetect.scoring.run_log import Clock
from aedetect.scoring.schema_drift import admitted
from aedetect.scoring.summarize import outcome_of, summarize_input, summarize_run
from aedetect.scoring.summary import check_strict
from aedetect.scoring.time_sort import sort_by_time
from aedetect.scoring.worker import ComputedPartition, Deferred, origin_of
from aedetect.timestamps import format_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.detector import Scorer
    from aedetect.events.table import EventChanges

logger = logging.getLogger(__name__)
_PROVISIONAL = "the newest rows are judged from fewer windows until later rows arrive"


def resolve_model(config: Config) -> Model:
    """Return the model that scores, from the registry."""
    registered = registry.find_version(config.model_reference, tracking_uri=config.tracking_uri)
    folder = registry.fetch_version(registered, tracking_uri=config.tracking_uri)
    return Model(folder=str(folder), name=registered.name, version=registered.version)


def plan_run(
    config: Config,
    model: Model,
    *,
    span: Span,
    rescore: bool = False,
    force: bool = False,
    scratch: Path,
) -> ScoringJob:
    """Inspect input and output, and list the partitions to compute.

    Within the span these are the new and changed ones; with `rescore` also those of another model;
    with `force` all. The scratch folder must exist until they are computed.
    """
    output, by = config.output, config.scoring.partition
    detector = cached_detector(model.folder)
    scorer = detector.scorer
    clock = table_clock(config, scorer.schema)
    step, column = clock.step, scorer.schema.timestamp
    cache = read_input_cache(output, timestamp=column, step=step)
    found = find_files(config.input, timestamp=column, known=cache.files, step=step)
    source, wrong = admitted(found, scorer.schema)
    with written(output):
        existing = read_origins(output, by=by)
    check_owner(existing, model_name=model.name)
    suppression = suppression_of(config, scorer.schema, source, existing)
    source, prints = fingerprinted(source, cache.fingerprints)
    write_input_cache(output, source.files, prints, known=cache, scratch=scratch)
    made = make_plan(
        source,
        prints,
        existing,
        by=by,
        lookback=scorer.lookback,
        lookahead=scorer.lookahead,
        span=span,
        rescore_as=origin_of(model, detector, {}) if rescore else None,
        calibration_at=partial(calibration_at, model.folder),
        force=force,
        suppression=suppression,
        clock=clock,
    )
    scratch_seen = shared_scratch(scratch, config)
    log_event(logger, "plan", files=len(source.files), partitions=len(made.compute))
    return ScoringJob(
        model=model,
        plan=replace(made, compute=_sort_units(made.compute, scorer, scratch_seen)),
        output=output,
        formation=formation_of(config, model.name, scorer.schema),
        summary=summarize_input(
            model,
            found,
            source,
            wrong,
            find_input_changes(source, prints, [each.agreed for each in existing.values()]),
            output=output,
            settings=config.data,
            is_first=is_first_run(model.version, existing.values()),
            clock=clock,
        ),
        asked=span != Span(),
        promise_factor=config.scoring.promise_factor,
    )


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
) -> Summary:
    """Withdraw the partitions without input, and return the summary."""
    # The scores last: they record what remains to be done.
    for kind in (EVENTS, DRIFT, FLAGGED, SCORES):
        withdraw_files(job.output, kind, job.plan.withdraw)
    found, factor = outcome_of(job.model, job.output), job.promise_factor
    summary = summarize_run(
        job.summary,
        job.plan,
        results,
        changes,
        asked=job.asked,
        outcome=found,
        factor=factor,
        shifts=find_level_shifts(job.output, job.formation),
    )
    # What had shifted before was told by the run that scored it.
    shifts = shift_warnings(find_shifts(job.output)) if summary.partitions else ()
    return replace(summary, warnings=(*summary.warnings, *shifts))


PLAIN = ScoringStages(
    check_delivery=delivery.check_delivery,
    resolve_model=resolve_model,
    plan=plan_run,
    compute=compute_units,
    form_events=form_run_events,
    finish=finish_run,
    write_page=write_run_page,
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
    run_id: str | None = None,
    config_path: str | None = None,
    stages: ScoringStages = PLAIN,
) -> Summary:
    """Score new and changed input: the order of the stages of a scoring run.

    Without a clock, no row is written to `runs/` and the age of the data is not checked. A
    `what_if` run, such as one with another model and output, notifies no one, fills no database
    and writes no page. A given model is not resolved again.
    """
    with record_run(config, clock=clock, run_id=run_id) as record:
        if not what_if:
            stages.check_delivery(config)
        model, asked = model or stages.resolve_model(config), span or Span()
        with workspace(config) as scratch:
            job = stages.plan(
                config, model, span=asked, rescore=rescore, force=force, scratch=scratch
            )
            done = stages.compute(
                job.plan.compute, model=model, output=job.output, settings=config.scoring
            )
            summary = stages.finish(job, done, stages.form_events(job))
            if config.calibration.renew is not None and not what_if:
                summary = renew_if_due(config, model, summary)
            if not what_if:
                summary = note_outcome(config, summary)
                summary = with_retraining(config, summary, stages.start_training)
            summary = record(summary)
    if config.report.to is not None and not what_if:
        stages.write_page(config, config_path=config_path, now=clock and clock())
    stages.report(config, summary)
    if config.notify.listed and not what_if:
        stages.notify(config, config_path=config_path, alerts=summary.alerts)
    if config.database.url is not None and not what_if:
        stages.fill_database(config)
    # Last, so that no one waits for it.
    if config.promotion.shadow is not None and not (what_if or rescore or force):
        quiet = replace(stages, report=no_report)
        follow_shadow(config, partial(run_scoring, clock=clock, what_if=True, stages=quiet))
    if config.scoring.strict:
        check_strict(summary)
    return summary


def _sort_units(units: Sequence[Unit], scorer: Scorer, scratch: Path | None) -> tuple[Unit, ...]:
    """Sort the input by time where that saves work; log that the newest rows are provisional."""
    schema, before, after = scorer.schema, scorer.lookback, scorer.lookahead
    if units and after:
        log_event(logger, "provisional", newest=format_duration(after), text=_PROVISIONAL)
    if scratch is None:
        return tuple(units)
    return sort_by_time(units, schema=schema, lookback=before, lookahead=after, folder=scratch)
