"""The stages of a scoring run as plain functions.

The flow in `pipelines/scoring.py` is made of these; `run` is the same without Prefect.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import deliver, registry
from aedetect.arrivals import arrivals
from aedetect.cache import read_cache, write_cache
from aedetect.cluster import cluster
from aedetect.columns import unfit
from aedetect.compute import Computed, Held, Model, compute, load_detector, origin_of
from aedetect.durations import format_duration
from aedetect.errors import UnreadableFile
from aedetect.files import SetAside, find, fingerprints
from aedetect.form import Formation, form_events
from aedetect.logs import log_event
from aedetect.partition import EVENTS, FLAGGED, SCORES
from aedetect.places import is_remote
from aedetect.plan import (
    Plan,
    Span,
    Unit,
    check_owner,
    extent,
    make_plan,
    read_written,
    set_aside,
    unreadable,
)
from aedetect.report import Summary, check_strict
from aedetect.runs import Clock, Record, recorded
from aedetect.sink import aside, locked, sweep, withdraw, written
from aedetect.suppress import Suppression, check_features, read_suppression
from aedetect.tally import seen, summed

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.detector import Scorer
    from aedetect.events import Changes
    from aedetect.files import Source
    from aedetect.partition import Partition
    from aedetect.schema import Schema

logger = logging.getLogger(__name__)

_PROVISIONAL = "the newest rows are judged from fewer windows until later rows arrive"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a scoring run will do, and with which model."""

    model: Model
    plan: Plan
    output: Path
    formation: Formation
    summary: Summary  # what is known before anything is computed
    asked: bool  # whether moments were asked for


def resolve(config: Config) -> Model:
    """Ask the registry for the model that scores."""
    registered = registry.find(config.model_reference, tracking_uri=config.tracking_uri)
    folder = registry.fetch(registered, tracking_uri=config.tracking_uri)
    return Model(folder=str(folder), name=registered.name, version=registered.version)


@contextmanager
def workspace(config: Config) -> Iterator[Path]:
    """Give a folder for a run's scratch files; the next run removes what a killed one left."""
    with written(config.output):
        if not is_remote(config.output):
            config.output.mkdir(parents=True, exist_ok=True)
        sweep(config.output)
    with aside(config.output) as folder:
        yield folder


def plan(
    config: Config,
    model: Model,
    *,
    span: Span,
    rescore: bool = False,
    force: bool = False,
    scratch: Path,
) -> Job:
    """Look at the input and at the output, and list the partitions to compute.

    Within the span those are what is new or changed; to `rescore` also what another model made;
    when forced, all. The scratch folder must stay until they are computed.
    """
    output, by = config.output, config.scoring.partition
    detector = load_detector(model.folder)
    scorer = detector.scorer
    cache = read_cache(output, timestamp=scorer.schema.timestamp)
    found = find(config.input, timestamp=scorer.schema.timestamp, known=cache.files)
    wrong = unfit(scorer.schema, found.files)
    fitting = set_aside(found, wrong)
    source = set_aside(fitting, unreadable(fitting.files, by))
    with written(output):
        existing = read_written(output, by=by)
    check_owner(existing, model_name=model.name)
    suppression = _suppression(config, scorer.schema, source, existing)
    prints = fingerprints(source.files, known=cache.fingerprints)
    write_cache(output, source.files, prints, known=cache, scratch=scratch)
    made = make_plan(
        source,
        prints,
        existing,
        by=by,
        lookback=scorer.lookback,
        lookahead=scorer.lookahead,
        span=span,
        anew=origin_of(model, detector, {}) if rescore else None,
        force=force,
        suppression=suppression,
    )
    log_event(logger, "plan", files=len(source.files), partitions=len(made.compute))
    return Job(
        model=model,
        plan=replace(made, compute=_gathered(made.compute, scorer, scratch)),
        output=output,
        formation=Formation(
            detector=model.name, by=by, settings=config.events, units=config.data.units
        ),
        summary=seen(
            model,
            found,
            source,
            wrong,
            arrivals(source, prints, existing.values()),
            output=output,
            label=config.data.label,
        ),
        asked=span != Span(),
    )


def compute_unit(unit: Unit, *, model: Model, output: Path) -> Computed | Held:
    """Compute one partition; leave it as it is when a file of it cannot be read."""
    try:
        computed = compute(unit, model=model, output=output)
    except UnreadableFile as error:
        log_event(logger, "held", partition=unit.partition, because=error)
        return Held(str(unit.partition), tuple(SetAside(*each) for each in error.reasons.items()))
    log_event(
        logger,
        "partition",
        partition=computed.partition,
        rows=computed.rows,
        flagged=computed.flagged,
    )
    return computed


def form(job: Job) -> Changes:
    """Form events from all flagged rows, once every partition is computed."""
    changes = form_events(job.output, job.formation, leaving=job.plan.withdraw)
    log_event(logger, "events", **changes.counts)
    return changes


def finish(job: Job, results: Iterable[Computed | Held], changes: Changes) -> Summary:
    """Remove the partitions whose input is gone, and sum up."""
    with written(job.output), locked(job.output, alone=False):
        for partition in job.plan.withdraw:
            # The scores last: they say what is still to be done.
            for kind in (EVENTS, FLAGGED, SCORES):
                withdraw(partition.path(job.output, kind), root=job.output / kind)
    return summed(job.summary, job.plan, results, changes, asked=job.asked)


def record(
    config: Config, *, clock: Clock | None, run_id: str | None = None
) -> AbstractContextManager[Record]:
    """Give what takes the summary of a run and writes its row in `runs/`; see `aedetect.runs`."""
    return recorded(
        config.output,
        model=config.model_reference,
        clock=clock,
        stale_after=config.scoring.stale_after,
        run_id=run_id,
    )


def run(
    config: Config,
    *,
    span: Span | None = None,
    rescore: bool = False,
    force: bool = False,
    clock: Clock | None = None,
    what_if: bool = False,
) -> Summary:
    """Score what is new or changed, one partition after the other, in this process.

    Without a clock there is no row in `runs/`, and nothing is said of the age of the data. Of a
    `what_if`, as of another model into another output, nobody is told, nor is a database.
    """
    with record(config, clock=clock) as tell:
        if not what_if:
            deliver.check(config)
        model, asked = resolve(config), span or Span()
        with workspace(config) as scratch:
            job = plan(config, model, span=asked, rescore=rescore, force=force, scratch=scratch)
            units, output = job.plan.compute, job.output
            done = [compute_unit(unit, model=model, output=output) for unit in units]
            summary = tell(finish(job, done, form(job)))
    if not what_if:
        deliver.notify(config, alerts=summary.alerts)
        deliver.fill_database(config)
    if config.scoring.strict:
        check_strict(summary)
    return summary


def _gathered(units: Sequence[Unit], scorer: Scorer, scratch: Path) -> tuple[Unit, ...]:
    """Order the input by time where that saves work; remark on rows that are judged too early."""
    if units and scorer.lookahead:
        newest = format_duration(scorer.lookahead)
        log_event(logger, "provisional", newest=newest, text=_PROVISIONAL)
    return cluster(
        units,
        schema=scorer.schema,
        lookback=scorer.lookback,
        lookahead=scorer.lookahead,
        folder=scratch,
    )


def _suppression(
    config: Config, schema: Schema, source: Source, existing: Collection[Partition]
) -> Suppression:
    """Gather what keeps rows quiet in any partition, present or due."""
    start, end = extent(source.files, existing)
    suppression = read_suppression(config.events, config.maintenance, start=start, end=end)
    check_features(suppression, schema)
    return suppression
