"""The stages of a scoring run as plain functions.

The flow in `pipelines/scoring.py` is made of these; `run` is the same without Prefect.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import deliver, registry
from aedetect.cluster import cluster
from aedetect.compute import Computed, Model, compute, load_detector
from aedetect.durations import format_duration
from aedetect.errors import SchemaMismatch
from aedetect.files import SetAside, find, fingerprints
from aedetect.logs import log_event
from aedetect.partition import FLAGGED, SCORES
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
from aedetect.sink import aside, sweep, withdraw, written

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.files import Source, SourceFile
    from aedetect.schema import Schema

logger = logging.getLogger(__name__)

_PROVISIONAL = "the newest rows are judged from fewer windows until later rows arrive"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a scoring run will do, and with which model."""

    model: Model
    plan: Plan
    output: Path
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


def finish(job: Job, computed: Iterable[Computed]) -> Summary:
    """Remove the partitions whose input is gone, and sum up."""
    with written(job.output):
        for partition in job.plan.withdraw:
            for kind in (FLAGGED, SCORES):  # the scores last: they say what is still to be done
                withdraw(partition.path(job.output, kind), root=job.output / kind)
    done = list(computed)
    not_scored: dict[str, int] = {}
    for each in done:
        for reason, count in each.not_scored.items():
            not_scored[reason] = not_scored.get(reason, 0) + count
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
        not_scored=not_scored,
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
        summary = finish(job, [compute_unit(unit, model=model, output=output) for unit in units])
    deliver.notify(config)
    deliver.fill_database(config)
    return summary


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
