"""Compute one partition: read its rows and their context, score, write aside, rename."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data import Query, Rows, open_engine, read_rows
from aedetect.data.sources import Quarantined, rewritten, touched
from aedetect.detector import CalibratedScorer, Scored
from aedetect.drift import DRIFT
from aedetect.errors import UnreadableFile
from aedetect.logs import log_event
from aedetect.output import Origin, aside, locked, publish, written
from aedetect.output.atomic import read_origin, withdraw
from aedetect.output.partitions import FLAGGED, SCORES
from aedetect.output.schemas import flagged_schema, scores_schema, time_type
from aedetect.output.table_writer import TableWriter
from aedetect.preprocessing.windows import surrounded
from aedetect.scoring.drift_sums import drift_sums, write_drift
from aedetect.scoring.loaded import Model, detector_at
from aedetect.scoring.rows import score_rows
from aedetect.scoring.tables import flagged_batch, scores_batch

if TYPE_CHECKING:
    from aedetect.arrays import Bool
    from aedetect.scoring.plan import Unit

logger = logging.getLogger(__name__)

_ENGINE_MB = 128  # memory of DuckDB for each concurrent partition; it sorts on disk beyond it


@dataclass(frozen=True, kw_only=True)
class ComputedPartition:
    """The result of one partition."""

    partition: str
    rows: int
    flagged: int
    not_scored: dict[str, int]  # by reason
    suppressed: dict[str, int]  # by reason
    without: tuple[Quarantined, ...] = ()  # files that proved unreadable when they were read


@dataclass(frozen=True)
class Deferred:
    """A partition that was not changed, and the files that are the reason."""

    partition: str
    because: tuple[Quarantined, ...]


def origin_of(model: Model, detector: CalibratedScorer, inputs: Mapping[str, str]) -> Origin:
    """Return the origin of an output: the model, and input files by name and fingerprint."""
    return Origin(
        model_name=model.name,
        model_version=model.version,
        calibration_version=detector.calibration.version,
        config_hash=detector.config_hash,
        lookback=detector.scorer.lookback,
        lookahead=detector.scorer.lookahead,
        max_gap=detector.scorer.schema.max_gap,
        period=detector.scorer.schema.period,
        longest=detector.calibration.longest,
        inputs=inputs,
    )


def compute_or_defer(unit: Unit, *, model: Model, output: Path) -> ComputedPartition | Deferred:
    """Compute one partition, without the files that prove to be unreadable when they are read.

    It is left unchanged if a file was replaced meanwhile, if it was made from such a file before,
    or if nothing is left.
    """
    without: dict[str, str] = {}
    while True:
        try:
            computed = compute_partition(unit, model=model, output=output)
            break
        except UnreadableFile as error:
            without |= error.reasons
            left = _remaining(unit, error, output)
            if left is None:
                log_event(logger, "deferred", partition=unit.partition, because=error)
                return Deferred(str(unit.partition), _quarantined(without))
            unit = left
    computed = replace(computed, without=_quarantined(without))
    log_event(
        logger,
        "partition",
        partition=computed.partition,
        rows=computed.rows,
        flagged=computed.flagged,
    )
    return computed


def _quarantined(reasons: Mapping[str, str]) -> tuple[Quarantined, ...]:
    return tuple(Quarantined(*each) for each in reasons.items())


def _remaining(unit: Unit, error: UnreadableFile, output: Path) -> Unit | None:
    """Return the unit without files that cannot be read to the end; None if it must be deferred."""
    damaged = error.damaged & {file.name for file in unit.files}
    paths = [unit.partition.path(output, kind) for kind in (SCORES, FLAGGED)]
    made_from = {name for path in paths if path.exists() for name in read_origin(path).inputs}
    left = unit.without(damaged)
    return left if damaged and not damaged & made_from and left.expected else None


def compute_partition(unit: Unit, *, model: Model, output: Path) -> ComputedPartition:
    """Compute one partition and publish its two files, the scores last.

    Later runs rely on the footer of the scores: a run that is killed between the two renames leaves
    the old footer, and the next run computes the partition again. Raises UnreadableFile, and leaves
    the partition unchanged, if a file cannot be read to its end or was replaced meanwhile.
    """
    detector = detector_at(model.folder, unit.bounds[0])
    origin = origin_of(model, detector, unit.inputs)
    unit = replace(unit, files=touched(unit.files, unit.inputs))
    with written(output), aside(output) as folder:
        result = _write(unit, detector, origin, folder)
        _check_unchanged(unit)
        _check_complete(unit, result.rows)
        with locked(output, alone=False):
            for kind in (DRIFT, FLAGGED, SCORES):
                target = unit.partition.path(output, kind)
                if result.rows and (folder / f"{kind}.parquet").exists():
                    publish(folder / f"{kind}.parquet", target)
                else:
                    withdraw(target, root=output / kind)
    return result


def _check_unchanged(unit: Unit) -> None:
    """Raise UnreadableFile if the content read may differ from that recorded in the footer."""
    if moved := rewritten(unit.files):
        reason = "was replaced while it was read"
        raise UnreadableFile(
            f"{', '.join(moved)} {reason}: {unit.partition} is left to the next run",
            reasons=dict.fromkeys(moved, reason),
        )


def _check_complete(unit: Unit, rows: int) -> None:
    """Raise UnreadableFile when rows of the time column were not among those that were read."""
    if unit.expected is not None and rows != unit.expected:
        reason = f"gave {rows} rows of {unit.partition}, but has {unit.expected}"
        start, end = unit.bounds
        named = [f.name for f in unit.files if any(start <= h < end for h in f.hours)]
        raise UnreadableFile(
            f"{', '.join(named)} {reason}: write it again", reasons=dict.fromkeys(named, reason)
        )


def _write(
    unit: Unit, detector: CalibratedScorer, origin: Origin, folder: Path
) -> ComputedPartition:
    """Score the partition's rows and write two files to a folder."""
    time = time_type(unit.files, unit.clock)
    schemas = {SCORES: scores_schema(time), FLAGGED: flagged_schema(time)}
    not_scored: dict[str, int] = {}
    suppressed: dict[str, int] = {}
    with ExitStack() as opened:
        writers = {
            kind: opened.enter_context(TableWriter(folder / f"{kind}.parquet", s, origin))
            for kind, s in schemas.items()
        }
        sums = drift_sums(detector)
        for rows, wanted in _batches(unit, detector, folder):
            scored = score_rows(detector, rows, wanted, unit.suppression)
            inside = rows.take(wanted)
            table = scores_batch(inside, scored, time)
            writers[SCORES].write(table)
            if sums is not None:
                sums.add(inside, scored.score, scored.p_value)
            writers[FLAGGED].write(
                flagged_batch(table, rows=inside, scored=scored, detector=detector, origin=origin)
            )
            missing = np.isnan(scored.score)
            flags = np.zeros(len(missing), dtype=np.bool_)
            flags[scored.flagged] = True
            _count(scored, missing, not_scored)
            _count(scored, ~missing & ~flags, suppressed)
    write_drift(sums, folder / f"{DRIFT}.parquet", origin)
    return ComputedPartition(
        partition=str(unit.partition),
        rows=writers[SCORES].rows,
        flagged=writers[FLAGGED].rows,
        not_scored=not_scored,
        suppressed=suppressed,
    )


def _batches(unit: Unit, detector: CalibratedScorer, folder: Path) -> Iterator[tuple[Rows, Bool]]:
    """Yield rows with their context, and a mask of the partition's own current rows."""
    scorer, (start, end) = detector.scorer, unit.bounds
    schema, lookback, lookahead = scorer.schema, scorer.lookback, scorer.lookahead
    query = Query.of(
        schema,
        unit.files,
        start=start - lookback,
        end=end + lookahead,
    )
    with open_engine(memory_mb=_ENGINE_MB, scratch=folder) as connection:
        batches = read_rows(connection, query)
        for rows, turn in surrounded(batches, lookback=lookback, lookahead=lookahead):
            wanted = np.zeros(len(rows), dtype=np.bool_)
            time = rows.time[turn]
            wanted[turn] = (time >= start) & (time < end)
            if wanted.any():
                yield rows, wanted


def _count(scored: Scored, which: Bool, total: dict[str, int]) -> None:
    """Add up the reasons of some rows."""
    codes, counts = np.unique(scored.reason[which & (scored.reason >= 0)], return_counts=True)
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        reason = scored.reasons[code]
        total[reason] = total.get(reason, 0) + count
