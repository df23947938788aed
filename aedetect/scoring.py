"""The stages of a scoring run as plain functions.

The flow in `pipelines/scoring.py` is made of these; `run` is the same without Prefect.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import deliver, registry
from aedetect.arrivals import Arrivals, arrivals
from aedetect.cache import read_cache, write_cache
from aedetect.cluster import cluster
from aedetect.columns import changes, unfit
from aedetect.compute import Computed, Held, Model, compute, load_detector, origin_of
from aedetect.errors import UnreadableFile
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
from aedetect.report import Summary, alerts_of, check_strict, moment, warnings_of
from aedetect.runs import Clock, Record, recorded
from aedetect.sink import aside, sweep, withdraw, written

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.files import Source, SourceFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a scoring run will do, and with which model."""

    model: Model
    plan: Plan
    output: Path
    summary: Summary  # what is known before anything is computed
    unreadable: tuple[SetAside, ...]  # are tried again by the next run
    unfit: tuple[SetAside, ...]  # lack what the model needs
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
    broken = unreadable(fitting.files, by)
    source = set_aside(fitting, broken)
    with written(output):
        existing = read_written(output, by=by)
    check_owner(existing, model_name=model.name)
    prints = fingerprints(source.files, known=cache.fingerprints)
    write_cache(output, source.files, prints, known=cache, scratch=scratch)
    made = make_plan(
        source,
        prints,
        existing,
        by=by,
        lookback=scorer.lookback,
        span=span,
        anew=origin_of(model, detector, {}) if rescore else None,
        force=force,
    )
    log_event(logger, "plan", files=len(source.files), partitions=len(made.compute))
    units = cluster(made.compute, schema=scorer.schema, lookback=scorer.lookback, folder=scratch)
    return Job(
        model=model,
        plan=replace(made, compute=units),
        output=output,
        summary=_seen(config, model, found, source, arrivals(source, prints, existing.values())),
        unreadable=(*found.aside, *(SetAside(*each) for each in broken.items())),
        unfit=tuple(SetAside(name, reason) for name, reason in wrong.items()),
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


def finish(job: Job, results: Iterable[Computed | Held]) -> Summary:
    """Remove the partitions whose input is gone, and sum up."""
    with written(job.output):
        for partition in job.plan.withdraw:
            for kind in (FLAGGED, SCORES):  # the scores last: they say what is still to be done
                withdraw(partition.path(job.output, kind), root=job.output / kind)
    listed = list(results)
    done = [each for each in listed if isinstance(each, Computed)]
    left = [each for each in listed if isinstance(each, Held)]
    blamed = dict.fromkeys((*job.unreadable, *(file for each in left for file in each.because)))
    not_scored: dict[str, int] = {}
    for each in done:
        for reason, count in each.not_scored.items():
            not_scored[reason] = not_scored.get(reason, 0) + count
    rows = sum(each.rows for each in done)
    held = sorted({*map(str, job.plan.held), *(each.partition for each in left)})
    summary = replace(
        job.summary,
        status="partial" if blamed or job.unfit or held else "done",
        unreadable=tuple(map(str, blamed)),
        unfit=tuple(map(str, job.unfit)),
        partitions=len(done),
        since=min((each.partition for each in done), default=None),
        current=job.plan.current,
        withdrawn=tuple(map(str, job.plan.withdraw)),
        held=tuple(held),
        rows=rows,
        scored=rows - sum(not_scored.values()),
        flagged=sum(each.flagged for each in done),
        not_scored=not_scored,
    )
    return replace(
        summary, warnings=warnings_of(summary, asked=job.asked), alerts=alerts_of(summary)
    )


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
) -> Summary:
    """Score what is new or changed, one partition after the other, in this process.

    Without a clock there is no row in `runs/`, and nothing is said of the age of the data.
    """
    deliver.check(config)
    with record(config, clock=clock) as tell, workspace(config) as scratch:
        model, asked = resolve(config), span or Span()
        job = plan(config, model, span=asked, rescore=rescore, force=force, scratch=scratch)
        units, output = job.plan.compute, job.output
        summary = tell(finish(job, [compute_unit(u, model=model, output=output) for u in units]))
    deliver.notify(config)
    deliver.fill_database(config)
    if config.scoring.strict:
        check_strict(summary)
    return summary


def _seen(
    config: Config, model: Model, found: Source, source: Source, arrived: Arrivals
) -> Summary:
    """Begin the summary of a run with what it saw of the input."""
    changed = {*arrived.new, *arrived.changed}
    looked_at = [file for file in source.files if file.name in changed]
    detector, label = load_detector(model.folder), config.data.label
    scorer = detector.scorer
    moments = [file.times.last for file in found.files if file.times is not None]
    return Summary(
        status="done",
        model=f"{model.name}/{model.version}",
        calibration_version=detector.calibration.version,
        output=str(config.output),
        files=len(found.files) + len(found.aside),
        files_new=len(arrived.new),
        files_changed=len(arrived.changed),
        files_deleted=len(arrived.deleted),
        undated=tuple(f"{f.name}: {_undated(f)}" for f in source.files if f.undated),
        drift=changes(scorer.schema, scorer.preparation, looked_at, label=label),
        newest=moment(max(moments, default=None)),
    )


def _undated(file: SourceFile) -> str:
    return f"{file.undated} of {file.rows} rows have no timestamp and get no verdict"
