"""One partition: read its rows and those before, score, write aside, rename."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector import Detector
from aedetect.errors import UnreadableFile
from aedetect.files import SetAside, rewritten
from aedetect.ingest import Rows, engine, read
from aedetect.partition import FLAGGED, SCORES
from aedetect.score import Scored, score_rows
from aedetect.sink import Origin, TableWriter, aside, publish, withdraw, written
from aedetect.sql import Query
from aedetect.verdicts import flagged_batch, flagged_schema, scores_batch, scores_schema, time_type
from aedetect.window import with_context

if TYPE_CHECKING:
    from aedetect.plan import Unit

ENGINE_MB = 128  # memory of DuckDB for each partition in work; it sorts on disk beyond it


@dataclass(frozen=True, kw_only=True)
class Model:
    """Which detector scores: a folder, and what the registry calls it."""

    folder: str
    name: str
    version: int


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What became of one partition."""

    partition: str
    rows: int
    flagged: int
    not_scored: dict[str, int]  # by reason


@dataclass(frozen=True)
class Held:
    """A partition that was left as it is, and the files that are to blame."""

    partition: str
    because: tuple[SetAside, ...]


@lru_cache(maxsize=4)
def load_detector(folder: str) -> Detector:
    """Load a detector once a process."""
    return Detector.load(Path(folder))


def origin_of(model: Model, detector: Detector, inputs: Mapping[str, str]) -> Origin:
    """Say what an output is made from: the model, and input files by name and fingerprint."""
    return Origin(
        model_name=model.name,
        model_version=model.version,
        calibration_version=detector.calibration.version,
        config_hash=detector.config_hash,
        lookback=detector.scorer.lookback,
        max_gap=detector.scorer.schema.max_gap,
        inputs=inputs,
    )


def compute(unit: Unit, *, model: Model, output: Path) -> Computed:
    """Compute one partition and put its two files in place, the scores last.

    The scores' footer is what later runs go by: a run that is killed between the two renames
    leaves the old footer, and the next run computes the partition again. Raises UnreadableFile, and
    leaves the partition as it is, when a file cannot be read to its end or was replaced meanwhile.
    """
    detector = load_detector(model.folder)
    origin = origin_of(model, detector, unit.inputs)
    with written(output), aside(output) as folder:
        result = _write(unit, detector, origin, folder)
        _check_unchanged(unit)
        for kind in (FLAGGED, SCORES):
            target = unit.partition.path(output, kind)
            if result.rows:
                publish(folder / f"{kind}.parquet", target)
            else:
                withdraw(target, root=output / kind)
    return result


def _check_unchanged(unit: Unit) -> None:
    """Raise UnreadableFile when what was read may not be what the footer says it was."""
    if moved := rewritten(unit.files, unit.inputs):
        reason = "was replaced while it was read"
        raise UnreadableFile(
            f"{', '.join(moved)} {reason}: {unit.partition} is left to the next run",
            reasons=dict.fromkeys(moved, reason),
        )


def _write(unit: Unit, detector: Detector, origin: Origin, folder: Path) -> Computed:
    """Score the partition's rows into two files of a folder."""
    time = time_type(unit.files)
    schemas = {SCORES: scores_schema(time), FLAGGED: flagged_schema(time)}
    writers = {
        kind: TableWriter(folder / f"{kind}.parquet", s, origin) for kind, s in schemas.items()
    }
    not_scored: dict[str, int] = {}
    for rows, wanted in _batches(unit, detector, folder):
        scored = score_rows(detector, rows, wanted)
        inside = rows.take(wanted)
        table = scores_batch(inside, scored, time)
        writers[SCORES].write(table)
        writers[FLAGGED].write(
            flagged_batch(table, rows=inside, scored=scored, detector=detector, origin=origin)
        )
        _count(scored, not_scored)
    for writer in writers.values():
        writer.close()
    return Computed(
        partition=str(unit.partition),
        rows=writers[SCORES].rows,
        flagged=writers[FLAGGED].rows,
        not_scored=not_scored,
    )


def _batches(
    unit: Unit, detector: Detector, folder: Path
) -> Iterator[tuple[Rows, np.ndarray[tuple[int], np.dtype[np.bool_]]]]:
    """Yield rows with those before them, and which of them are the partition's own."""
    schema = detector.scorer.schema
    query = Query(
        files=unit.files,
        timestamp=schema.timestamp,
        entity=schema.entity,
        categories={feature.name: feature.categories for feature in schema.features},
        start=unit.partition.start - detector.scorer.lookback,
        end=unit.partition.end,
    )
    with engine(memory_mb=ENGINE_MB, scratch=folder) as connection:
        for rows, before in with_context(
            read(connection, query), lookback=detector.scorer.lookback
        ):
            wanted = rows.time >= unit.partition.start
            wanted[:before] = False
            if wanted.any():
                yield rows, wanted


def _count(scored: Scored, not_scored: dict[str, int]) -> None:
    codes, counts = np.unique(scored.reason[scored.reason >= 0], return_counts=True)
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        reason = scored.reasons[code]
        not_scored[reason] = not_scored.get(reason, 0) + count
