"""Compute partitions: read their rows and their context, score, write aside, rename."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data.sources import Quarantined
from aedetect.detector import CalibratedScorer, Outline
from aedetect.errors import OutputError, UnreadableFile
from aedetect.logs import log_event
from aedetect.output import Origin, aside, written
from aedetect.output.atomic import read_origin
from aedetect.output.partitions import FLAGGED, SCORES
from aedetect.output.schemas import flagged_schema, scores_schema, time_type
from aedetect.scoring.loaded import Model, detector_at
from aedetect.scoring.partition_files import (
    PartitionFiles,
    PartitionRows,
    Tally,
    close_partitions,
    publish_partitions,
    split_judged,
)
from aedetect.scoring.partition_rows import places_of, rows_of
from aedetect.scoring.rows import score_rows
from aedetect.scoring.tables import flagged_batch, scores_batch
from aedetect.scoring.unit_files import check_complete, check_unchanged, touched_units

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.data.sql import EntityRange
    from aedetect.scoring.plan import Unit

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ComputedPartition:
    """The result of one partition."""

    partition: str
    rows: int
    flagged: int
    not_scored: dict[str, int]  # by reason
    suppressed: dict[str, int]  # by reason
    without: tuple[Quarantined, ...] = ()  # files that proved unreadable when they were read

    @classmethod
    def of(cls, unit: Unit, tally: Tally) -> ComputedPartition:
        """Return the result of a partition that is written."""
        return cls(
            partition=str(unit.partition),
            rows=tally.rows,
            flagged=tally.flagged,
            not_scored=tally.not_scored,
            suppressed=tally.suppressed,
        )


@dataclass(frozen=True)
class Deferred:
    """A partition that was not changed, and the files that are the reason."""

    partition: str
    because: tuple[Quarantined, ...]


def origin_of(model: Model, outline: Outline, inputs: Mapping[str, str]) -> Origin:
    """Return the origin of an output: the model, and input files by name and fingerprint."""
    return Origin(
        model_name=model.name,
        model_version=model.version,
        calibration_version=outline.calibration.version,
        config_hash=outline.config_hash,
        lookback=outline.lookback,
        lookahead=outline.lookahead,
        max_gap=outline.schema.max_gap,
        period=outline.schema.period,
        longest=outline.calibration.longest,
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
    log_partition(computed)
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


def compute_group(
    units: Sequence[Unit], *, model: Model, output: Path
) -> list[ComputedPartition | Deferred]:
    """Compute some partitions together, each as `compute_or_defer` would.

    One after the other where that fails: a file that proves to be unreadable defers its own alone,
    and what a full disk has room for is kept.
    """
    if len(units) > 1:
        try:
            computed = compute_partitions(units, model=model, output=output)
        except (UnreadableFile, OutputError):
            pass
        else:
            for each in computed:
                log_partition(each)
            return list(computed)
    return [compute_or_defer(unit, model=model, output=output) for unit in units]


def compute_partition(unit: Unit, *, model: Model, output: Path) -> ComputedPartition:
    """Compute one partition, as `compute_partitions` does."""
    return compute_partitions((unit,), model=model, output=output)[0]


def compute_partitions(
    units: Sequence[Unit], *, model: Model, output: Path
) -> list[ComputedPartition]:
    """Compute partitions of one kind together, and publish the files of each, the scores last.

    Later runs rely on the footer of the scores: a run that is killed between the renames leaves
    the old footer, and the next run computes the partition again. Raises UnreadableFile, and leaves
    the partitions unchanged, if a file cannot be read to its end or was replaced meanwhile.
    """
    done: list[ComputedPartition] = []
    detectors = [detector_at(model.folder, unit.bounds[0]) for unit in units]
    pairs = zip(units, detectors, strict=True)
    for _, same in groupby(pairs, key=lambda pair: pair[1].calibration.version):
        some = list(same)
        done += _compute([unit for unit, _ in some], some[0][1], model=model, output=output)
    return done


def _compute(
    units: Sequence[Unit], detector: CalibratedScorer, *, model: Model, output: Path
) -> list[ComputedPartition]:
    """Compute partitions that one calibration judges."""
    units = touched_units(units)
    with written(output), aside(output) as folder, ExitStack() as opened:
        parts = [
            PartitionFiles(
                unit,
                folder / str(number),
                origin_of(model, detector.outline, unit.inputs),
                detector,
                schemas_of(unit),
                opened,
            )
            for number, unit in enumerate(units)
        ]
        for judged in judged_rows(units, detector, parts[0].origin, folder):
            for number, each in judged:
                parts[number].add(each)
        close_partitions(parts)
        check_unchanged(units)
        for part in parts:
            check_complete(part.unit, part.tally.rows)
        publish_partitions(parts, output)
    return [ComputedPartition.of(part.unit, part.tally) for part in parts]


def schemas_of(unit: Unit) -> dict[str, pa.Schema]:
    """Return the columns of scores/ and flagged/ of a partition."""
    time = time_type(unit.files, unit.clock)
    return {SCORES: scores_schema(time), FLAGGED: flagged_schema(time)}


def log_partition(computed: ComputedPartition) -> None:
    """Log a partition that is written."""
    log_event(
        logger,
        "partition",
        partition=computed.partition,
        rows=computed.rows,
        flagged=computed.flagged,
    )


def judged_rows(
    units: Sequence[Unit],
    detector: CalibratedScorer,
    origin: Origin,
    folder: Path,
    entities: EntityRange | None = None,
) -> Iterator[list[tuple[int, PartitionRows]]]:
    """Score the rows of some partitions, or of some entities; yield those of each by its number."""
    time = time_type(units[0].files, units[0].clock)
    for rows, wanted in rows_of(units, detector.scorer, folder, entities):
        scored = score_rows(detector, rows, wanted, units[0].suppression)
        chosen = np.flatnonzero(wanted)
        place = places_of(units, rows.time[chosen])
        if (np.diff(place) < 0).any():  # of several entities; partition by partition from here on
            order = np.argsort(place.astype(np.int16), kind="stable")
            chosen, place, scored = chosen[order], place[order], scored.ordered(order)
        inside = rows.take(chosen)
        table = scores_batch(inside, scored, time)
        flagged = flagged_batch(table, rows=inside, scored=scored, detector=detector, origin=origin)
        flags = np.zeros(len(inside), dtype=np.bool_)
        flags[scored.flagged] = True
        reason = table.column("reason")
        whole = PartitionRows(inside, table, flagged, scored.score, scored.p_value, reason, flags)
        yield split_judged(whole, place)
