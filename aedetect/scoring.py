"""The stages of a scoring run as plain functions.

The flow in `pipelines/scoring.py` is made of these; `run` is the same without Prefect.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import deliver, registry
from aedetect.cluster import cluster
from aedetect.compute import Computed, Model, compute, load_detector, total
from aedetect.durations import format_duration
from aedetect.errors import SchemaMismatch
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
    make_plan,
    read_written,
    set_aside,
    unreadable,
)
from aedetect.schema import check_time, mismatch
from aedetect.sink import aside, locked, sweep, withdraw, written
from aedetect.suppress import Suppression, check_features, read_suppression

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.events import Changes
    from aedetect.files import Source, SourceFile
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
    files: int
    unreadable: tuple[SetAside, ...]  # are scored when they change
    undated: tuple[SetAside, ...]  # hold rows that no partition can have
    unfit: tuple[SetAside, ...]  # lack what the model needs; the run fails for them in the end


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a scoring run did."""

    model: str
    output: str
    files: int
    unreadable: tuple[str, ...]
    undated: tuple[str, ...]
    unfit: tuple[str, ...]
    partitions: int  # computed
    since: str | None  # the first of them; None when there is none
    current: int  # needed nothing
    withdrawn: tuple[str, ...]
    held: tuple[str, ...]
    rows: int
    flagged: int
    not_scored: dict[str, int]  # rows by reason
    suppressed: dict[str, int]  # rows by reason
    events: dict[str, int]  # how many are new, changed and withdrawn


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


def plan(config: Config, model: Model, *, span: Span, force: bool, scratch: Path) -> Job:
    """Look at the input and at the output, and list the partitions to compute.

    The scratch folder must stay until they are computed.
    """
    output, by = config.output, config.scoring.partition
    scorer = load_detector(model.folder).scorer
    found = find(config.input, timestamp=scorer.schema.timestamp)
    unfit = _unfit(scorer.schema, found)
    fitting = set_aside(found, unfit)
    broken = unreadable(fitting.files, by)
    source = set_aside(fitting, broken)
    with written(output):
        existing = read_written(output, by=by)
    check_owner(existing, model_name=model.name)
    made = make_plan(
        source,
        fingerprints(source.files),
        existing,
        by=by,
        lookback=scorer.lookback,
        lookahead=scorer.lookahead,
        span=span,
        force=force,
        suppression=_suppression(config, scorer.schema, source, existing),
    )
    log_event(logger, "plan", files=len(source.files), partitions=len(made.compute))
    if made.compute and scorer.lookahead:
        newest = format_duration(scorer.lookahead)
        log_event(logger, "provisional", newest=newest, text=_PROVISIONAL)
    units = cluster(
        made.compute,
        schema=scorer.schema,
        lookback=scorer.lookback,
        lookahead=scorer.lookahead,
        folder=scratch,
    )
    return Job(
        model=model,
        plan=replace(made, compute=units),
        output=output,
        formation=Formation(
            detector=model.name, by=by, settings=config.events, units=config.data.units
        ),
        files=len(source.files),
        unreadable=(*found.aside, *(SetAside(*each) for each in broken.items())),
        undated=tuple(SetAside(f.name, _undated(f)) for f in source.files if f.undated),
        unfit=tuple(SetAside(name, reason) for name, reason in unfit.items()),
    )


def compute_unit(unit: Unit, *, model: Model, output: Path) -> Computed:
    """Compute one partition."""
    computed = compute(unit, model=model, output=output)
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


def finish(job: Job, computed: Iterable[Computed], changes: Changes) -> Summary:
    """Remove the partitions whose input is gone, and sum up."""
    with written(job.output), locked(job.output, alone=False):
        for partition in job.plan.withdraw:
            # The scores last: they say what is still to be done.
            for kind in (EVENTS, FLAGGED, SCORES):
                withdraw(partition.path(job.output, kind), root=job.output / kind)
    done = list(computed)
    flagged, rows = sum(each.flagged for each in done), sum(each.rows for each in done)
    log_event(logger, "scored", partitions=len(done), rows=rows, flagged=flagged)
    return Summary(
        model=f"{job.model.name}/{job.model.version}",
        output=str(job.output),
        files=job.files,
        unreadable=tuple(map(str, job.unreadable)),
        undated=tuple(map(str, job.undated)),
        unfit=tuple(map(str, job.unfit)),
        partitions=len(done),
        since=min((each.partition for each in done), default=None),
        current=job.plan.current,
        withdrawn=tuple(map(str, job.plan.withdraw)),
        held=tuple(map(str, job.plan.held)),
        rows=rows,
        flagged=flagged,
        not_scored=total(each.not_scored for each in done),
        suppressed=total(each.suppressed for each in done),
        events=changes.counts,
    )


def check_fit(summary: Summary) -> None:
    """Raise SchemaMismatch when files lack what the model needs; the others are scored by now."""
    if summary.unfit:
        raise SchemaMismatch(
            f"{'; '.join(summary.unfit)}: {summary.model} cannot score that; the other "
            f"{summary.files} files are scored. Mend the files, or train on columns they all have"
        )


def run(config: Config, *, span: Span | None = None, force: bool = False) -> Summary:
    """Score what is new or changed, one partition after the other, in this process."""
    deliver.check(config)
    with workspace(config) as scratch:
        job = plan(config, resolve(config), span=span or Span(), force=force, scratch=scratch)
        units, model, output = job.plan.compute, job.model, job.output
        done = [compute_unit(unit, model=model, output=output) for unit in units]
        summary = finish(job, done, form(job))
    deliver.notify(config)
    deliver.fill_database(config)
    return summary


def _suppression(
    config: Config, schema: Schema, source: Source, existing: Collection[Partition]
) -> Suppression:
    """Gather what keeps rows quiet in any partition, present or due."""
    times = [file.times for file in source.files if file.times is not None]
    edges = [each.start for each in existing] + [each.end for each in existing]
    edges += [each.first for each in times] + [each.last + 1 for each in times]
    start, end = min(edges, default=0), max(edges, default=0)
    suppression = read_suppression(config.events, config.maintenance, start=start, end=end)
    check_features(suppression, schema)
    return suppression


def _undated(file: SourceFile) -> str:
    return f"{file.undated} of {file.rows} rows have no timestamp and get no verdict"


def _unfit(schema: Schema, source: Source) -> dict[str, str]:
    """Return the files that the model cannot score, with the reason.

    Raises SchemaMismatch when timestamps gained or lost their time zone since training.
    """
    reasons = {file.name: mismatch(schema, file) for file in source.files}
    fitting = [file for file in source.files if reasons[file.name] is None]
    if fitting and check_time(fitting, timestamp=schema.timestamp) != schema.aware:
        now, then = ("no time zone", "one") if schema.aware else ("a time zone", "none")
        raise SchemaMismatch(
            f'timestamp column "{schema.timestamp}" has {now} in {fitting[0].name} and had {then} '
            "in training: write both alike"
        )
    return {name: reason for name, reason in reasons.items() if reason is not None}
