"""Apply the calibrations in force to history, from scores/ alone, without loading the network.

Stages as in `aedetect.jobs.scoring`: plan, one partition after the other, finish.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from aedetect.detector import Outline, read_outline
from aedetect.events import form_events
from aedetect.jobs import delivery
from aedetect.jobs.recording import record_run
from aedetect.jobs.reflag_plan import ReflagPlan, plan_reflagging
from aedetect.logs import log_event
from aedetect.output import Origin, Partition, aside, locked, publish, written
from aedetect.output.files import open_parquet
from aedetect.output.partitions import FLAGGED, SCORES, Span
from aedetect.output.schemas import ANOMALY
from aedetect.output.scratch import sweep
from aedetect.output.table_writer import TableWriter
from aedetect.scoring import Summary
from aedetect.scoring.reflag import ExplainedRows, judge_batch, reflag_batch
from aedetect.scoring.run_log import Clock

if TYPE_CHECKING:
    from aedetect.calibration.promise import Promise
    from aedetect.config import Config

logger = logging.getLogger(__name__)

_BATCH_ROWS = 32_768


@dataclass(frozen=True, kw_only=True)
class ReflaggedPartition:
    """The result for one partition."""

    partition: str
    rows: int
    flagged: int
    unexplained: int  # newly flagged rows: causes need the network


@dataclass(frozen=True, kw_only=True)
class Reflagged:
    """The summary of a run."""

    model: str
    calibration: int
    partitions: int
    current: int
    other: int
    rows: int
    flagged: int
    unexplained: int
    events: dict[str, int]  # new, changed and withdrawn
    since: str | None  # the first partition with unexplained rows
    promise: Promise  # of the calibration
    method: str  # by which its threshold was chosen
    scope: str  # of the promise: for each entity, or for several together
    notes: tuple[str, ...]  # what the promise assumes


def reflag_partition(work: ReflagPlan, partition: Partition, origin: Origin) -> ReflaggedPartition:
    """Re-evaluate one partition and publish its two files, the scores last.

    Later runs depend on the footer of the scores, as in `aedetect.scoring.worker`.
    """
    version = work.calibration_of(partition)
    saved = _outline(work, version)
    now = replace(origin, calibration_version=version, longest=saved.calibration.longest)
    with written(work.output), aside(work.output) as folder:
        done = _write(work, saved, partition, now, folder)
        with locked(work.output, alone=False):
            for kind in (FLAGGED, SCORES):
                publish(folder / f"{kind}.parquet", partition.path(work.output, kind))
    log_event(logger, "partition", **asdict(done))
    return done


def finish_reflagging(work: ReflagPlan, computed: Iterable[ReflaggedPartition]) -> Reflagged:
    """Update the events, and return the summary."""
    done = list(computed)
    changes = form_events(work.output, work.formation)
    return Reflagged(
        model=work.model.reference,
        calibration=work.saved.calibration.version,
        partitions=len(done),
        current=work.current,
        other=work.other,
        rows=sum(each.rows for each in done),
        flagged=sum(each.flagged for each in done),
        unexplained=sum(each.unexplained for each in done),
        events=changes.counts,
        since=min((each.partition for each in done if each.unexplained), default=None),
        promise=work.saved.calibration.promise,
        method=work.saved.calibration.threshold.method,
        scope=work.saved.calibration.scope,
        notes=work.saved.calibration.notes,
    )


def run_reflagging(
    config: Config,
    *,
    span: Span | None = None,
    config_path: str | None = None,
    clock: Clock | None = None,
) -> Reflagged:
    """Re-evaluate the output, one partition after the other, in this process; then deliver.

    Without a clock there is no row in `runs/`.
    """
    with record_run(config, clock=clock, command="reflag") as record:
        delivery.check_delivery(config)
        with written(config.output):
            sweep(config.output)
        work = plan_reflagging(config, span=span or Span())
        parts = [reflag_partition(work, *each) for each in work.partitions]
        done = finish_reflagging(work, parts)
        record(_summary(config, work, done))
    delivery.notify(config, config_path=config_path)
    delivery.fill_database(config)
    return done


def _summary(config: Config, work: ReflagPlan, done: Reflagged) -> Summary:
    """Return the text for the record of runs."""
    return Summary(
        command="reflag",
        status="done",
        model=done.model,
        calibration_version=done.calibration,
        output=str(config.output),
        rows=done.rows,
        flagged=done.flagged,
        events=done.events,
        partitions=done.partitions,
        since=min((str(partition) for partition, _ in work.partitions), default=None),
        last=max((str(partition) for partition, _ in work.partitions), default=None),
        current=done.current,
    )


def _outline(work: ReflagPlan, version: int) -> Outline:
    """Return the model with one of its calibrations."""
    if version == work.saved.calibration.version:
        return work.saved
    return read_outline(work.place, calibration=version)


def _write(
    work: ReflagPlan, saved: Outline, partition: Partition, origin: Origin, folder: Path
) -> ReflaggedPartition:
    """Re-evaluate the rows of a partition, into two files of a folder."""
    paths = {kind: partition.path(work.output, kind) for kind in (SCORES, FLAGGED)}
    unexplained = 0
    with ExitStack() as opened:
        readers = {k: opened.enter_context(open_parquet(path)) for k, path in paths.items()}
        writers = {
            kind: opened.enter_context(
                TableWriter(folder / f"{kind}.parquet", _plain(reader.schema_arrow), origin)
            )
            for kind, reader in readers.items()
        }
        kept = ExplainedRows(readers[FLAGGED])
        for batch in readers[SCORES].iter_batches(_BATCH_ROWS, use_threads=False):
            judged, threshold, strength = judge_batch(saved, _plain_batch(batch))
            anomalous = pc.equal(judged["verdict"], ANOMALY)
            chosen = anomalous.to_numpy(zero_copy_only=False)
            writers[SCORES].write(judged)
            found, new = reflag_batch(
                judged.filter(anomalous),
                threshold=threshold[chosen],
                strength=strength[chosen],
                kept=kept,
                origin=origin,
            )
            writers[FLAGGED].write(found)
            unexplained += new
    return ReflaggedPartition(
        partition=str(partition),
        rows=writers[SCORES].rows,
        flagged=writers[FLAGGED].rows,
        unexplained=unexplained,
    )


def _plain(schema: pa.Schema) -> pa.Schema:
    return schema.remove_metadata()


def _plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.replace_schema_metadata(None)
