"""Shards: a partition that is too large for one worker, computed by ranges of its entities.

Rows are ordered by entity, and scored by the rows of their own entity alone: so the rows of the
shards, one shard after the other, are those of the partition, and its files get the same bytes.
Shards are written as Arrow to a folder that the process that merges them sees; nothing of them is
published, and they are merged batch by batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from aedetect.data.sources import touched
from aedetect.data.sql import EntityRange
from aedetect.drift import DRIFT, PartitionSums
from aedetect.drift.sums_table import SCHEMA, EntitySums
from aedetect.errors import OutputError, UnreadableFile
from aedetect.output import aside, written
from aedetect.output.partitions import FLAGGED, SCORES
from aedetect.output.table_writer import TableWriter
from aedetect.scoring.drift_sums import drift_sums
from aedetect.scoring.loaded import Model, detector_at
from aedetect.scoring.partition_files import PartitionRows, Tally, publish_partitions
from aedetect.scoring.unit_files import check_complete, check_unchanged
from aedetect.scoring.worker import (
    ComputedPartition,
    Deferred,
    compute_or_defer,
    judged_rows,
    log_partition,
    origin_of,
    schemas_of,
)

if TYPE_CHECKING:
    from aedetect.scoring.plan import Unit

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


@dataclass(frozen=True)
class Shard:
    """The rows of some entities of a partition."""

    unit: Unit
    entities: EntityRange
    place: Path  # a folder for its files, which must exist until they are merged


@dataclass(frozen=True, kw_only=True)
class ComputedShard:
    """The result of a shard: where its files are, and what is added up."""

    folder: Path
    tally: Tally
    drift: EntitySums | None  # over its entities


@dataclass(frozen=True)
class Merge:
    """A partition, and its shards in order; None for one that could not be computed."""

    unit: Unit
    shards: tuple[ComputedShard | None, ...]


@dataclass
class _ShardFiles:
    """Writes the rows of a shard, and adds them up."""

    folder: Path
    schemas: dict[str, pa.Schema]
    sums: PartitionSums | None
    tally: Tally = field(default_factory=Tally)
    _opened: ExitStack = field(default_factory=ExitStack)
    _writers: dict[str, pa.RecordBatchWriter] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Open the files."""
        self.folder.mkdir(parents=True)
        for kind, schema in self.schemas.items():
            sink = self._opened.enter_context(pa.OSFile(str(self.folder / kind), "wb"))
            writer = pa.ipc.new_file(sink, schema, options=_OPTIONS)
            self._writers[kind] = self._opened.enter_context(writer)
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._opened.close()

    def add(self, judged: PartitionRows) -> None:
        """Add rows, which come in order."""
        self.tally.add(judged)
        if self.sums is not None:
            self.sums.add(judged.rows, judged.score, judged.p_value)
        self._writers[SCORES].write_batch(judged.scores)
        self._writers[FLAGGED].write_batch(judged.flagged)

    def finish(self) -> ComputedShard:
        """Write the drift of its entities; return the result."""
        if self.sums is None:
            return ComputedShard(folder=self.folder, tally=self.tally, drift=None)
        for batch in self.sums.finished():
            self._writers[DRIFT].write_batch(batch)
        return ComputedShard(folder=self.folder, tally=self.tally, drift=self.sums.total)


@dataclass(frozen=True)
class _Merged:
    """The files of a partition that was merged."""

    unit: Unit
    folder: Path
    rows: int

    def written(self, kind: str) -> Path | None:
        """Return the file of a kind of output; None where there is none, as without rows."""
        path = self.folder / f"{kind}.parquet"
        return path if self.rows and path.exists() else None


def compute_shard(shard: Shard, *, model: Model, output: Path) -> ComputedShard | None:
    """Score the rows of a shard, and write them to its place; None if that fails.

    The partition is computed in one piece then, which leaves out or defers what cannot be read.
    """
    try:
        return _computed(shard, model, output)
    except (UnreadableFile, OutputError):
        return None


def merge_shards(merge: Merge, *, model: Model, output: Path) -> ComputedPartition | Deferred:
    """Publish a partition from its shards; compute it in one piece where they are not whole."""
    shards = [shard for shard in merge.shards if shard is not None]
    if len(shards) == len(merge.shards):
        try:
            computed = _merged(merge.unit, shards, model, output)
        except (UnreadableFile, OutputError):
            pass
        else:
            log_partition(computed)
            return computed
    return compute_or_defer(merge.unit, model=model, output=output)


def _computed(shard: Shard, model: Model, output: Path) -> ComputedShard:
    unit = replace(shard.unit, files=touched(shard.unit.files, shard.unit.inputs))
    detector = detector_at(model.folder, unit.bounds[0])
    origin, sums = origin_of(model, detector.outline, unit.inputs), drift_sums(detector)
    schemas = schemas_of(unit) | ({DRIFT: SCHEMA} if sums is not None else {})
    # A folder of its own: an engine may run a shard twice, even at a time.
    own = shard.place / uuid.uuid4().hex
    with written(output), aside(output) as scratch, _ShardFiles(own, schemas, sums) as files:
        for judged in judged_rows([unit], detector, origin, scratch, shard.entities):
            for _, each in judged:
                files.add(each)
        check_unchanged([unit])
        return files.finish()


def _merged(
    unit: Unit, shards: Sequence[ComputedShard], model: Model, output: Path
) -> ComputedPartition:
    unit = replace(unit, files=touched(unit.files, unit.inputs))
    detector = detector_at(model.folder, unit.bounds[0])
    origin, sums = origin_of(model, detector.outline, unit.inputs), drift_sums(detector)
    schemas = schemas_of(unit) | ({DRIFT: SCHEMA} if sums is not None else {})
    tally = Tally()
    for shard in shards:
        tally.take(shard.tally)
    with written(output), aside(output) as folder:
        for kind, schema in schemas.items():
            path = folder / f"{kind}.parquet"
            with TableWriter(path, schema, origin, synced=False) as writer:
                for batch in (each for shard in shards for each in _read(shard.folder / kind)):
                    writer.write(batch)
                if kind == DRIFT and sums is not None:
                    for batch in sums.overall(_total(shards)):
                        writer.write(batch)
        check_unchanged([unit])
        check_complete(unit, tally.rows)
        publish_partitions([_Merged(unit, folder, tally.rows)], output)
    return ComputedPartition.of(unit, tally)


def _total(shards: Sequence[ComputedShard]) -> EntitySums | None:
    found = [shard.drift for shard in shards if shard.drift is not None]
    total = found[0] if found else None
    for more in found[1:]:
        total = total + more if total is not None else more
    return total


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, a batch at a time."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
