"""What must be computed: input fingerprints against those in the output's footers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import OutputError, UnreadableFile
from aedetect.files import SetAside, Source, SourceFile, open_file
from aedetect.partition import SCORES, Partition, PartitionBy, parse_folder, partition_at
from aedetect.sink import PART, Origin, read_origin


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What is scored, where the verdicts go, and when: `[scoring]`."""

    input: str | tuple[str, ...] | None = None  # file, folder, glob or URL
    output: str = "output"  # folder
    partition: PartitionBy = "day"
    schedule: str | None = None  # cron, UTC
    model: str | None = None  # NAME@alias or NAME/version; None: the detector's champion


@dataclass(frozen=True)
class Span:
    """Moments asked for, [since, until) in ns; both None: no bound."""

    since: int | None = None
    until: int | None = None

    def covers(self, partition: Partition) -> bool:
        """Whether any moment of the partition is asked for."""
        after = self.since is None or partition.end > self.since
        return after and (self.until is None or partition.start < self.until)


@dataclass(frozen=True)
class Unit:
    """One partition to compute, and the input files that count for it."""

    partition: Partition
    files: tuple[SourceFile, ...]
    inputs: Mapping[str, str]  # name -> fingerprint


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    compute: tuple[Unit, ...]
    withdraw: tuple[Partition, ...]  # their input rows are gone
    held: tuple[Partition, ...]  # left as they are: an input of theirs cannot be read now
    current: int  # partitions that need nothing


@dataclass(frozen=True)
class _Index:
    """Files by time: first and last moment (N,) of those that have any."""

    files: tuple[SourceFile, ...]
    fingerprints: Mapping[str, str]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    @classmethod
    def of(cls, files: Iterable[SourceFile], fingerprints: Mapping[str, str]) -> _Index:
        dated = [(file, file.times) for file in files if file.times is not None]
        return cls(
            tuple(file for file, _ in dated),
            fingerprints,
            np.array([times.first for _, times in dated], dtype=np.int64),
            np.array([times.last for _, times in dated], dtype=np.int64),
        )

    def unit(self, partition: Partition, lookback: int) -> Unit:
        """Take the files that can hold rows of the partition or of its lookback."""
        meets = (self.first < partition.end) & (self.last >= partition.start - lookback)
        chosen = tuple(self.files[index] for index in np.flatnonzero(meets))
        inputs = {file.name: self.fingerprints[file.name] for file in chosen}
        return Unit(partition, chosen, inputs)


def make_plan(
    source: Source,
    fingerprints: Mapping[str, str],
    written: Mapping[Partition, Origin],
    *,
    by: PartitionBy,
    lookback: int,
    span: Span,
    force: bool,
) -> Plan:
    """Compare what each partition would be made from with what it was made from.

    Partitions outside the span are left alone; those inside are computed again when forced. A
    partition that exists is judged by the lookback it was written with, so that a new model
    changes nothing that is already written.
    """
    due = _partitions(source.files, by)
    index = _Index.of(source.files, fingerprints)
    unreadable = {file.name for file in source.aside}
    compute, withdrawn, held, current = [], [], [], 0
    for partition in sorted(due | set(written)):
        origin = written.get(partition)
        if not span.covers(partition):
            continue
        if origin is not None and unreadable & set(origin.inputs):
            held.append(partition)
        elif partition not in due:
            withdrawn.append(partition)
        elif (
            force
            or origin is None
            or index.unit(partition, origin.lookback).inputs != origin.inputs
        ):
            compute.append(index.unit(partition, lookback))
        else:
            current += 1
    return Plan(tuple(compute), tuple(withdrawn), tuple(held), current)


def read_written(output: Path, *, by: PartitionBy) -> dict[Partition, Origin]:
    """Read the footers of the scores that exist.

    Raises OutputError when the output is partitioned otherwise, or was not written by aedetect.
    """
    root = output / SCORES
    paths = sorted(root.rglob("*.parquet"))
    found = [(parse_folder(str(path.parent.relative_to(root))), path) for path in paths]
    if foreign := [path for at, path in found if at is None or path.name != PART]:
        raise OutputError(
            f"{foreign[0]} was not written by aedetect: move it away, or choose another [scoring] "
            "output"
        )
    if other := [path for at, path in found if at is not None and at.by != by]:
        raise OutputError(
            f'the output must be partitioned by "{by}", however there is {other[0]}: choose '
            "another [scoring] output, or the partition it was written with"
        )
    with ThreadPoolExecutor(max_workers=4) as pool:
        origins = list(pool.map(read_origin, paths))
    return {p: origin for (p, _), origin in zip(found, origins, strict=True) if p is not None}


def check_owner(written: Mapping[Partition, Origin], *, model_name: str) -> None:
    """Raise OutputError when the output holds the scores of another detector."""
    others = {origin.model_name for origin in written.values()} - {model_name}
    if others:
        raise OutputError(
            f'the output folder holds scores of "{min(others)}", not of "{model_name}": give each '
            "detector a [scoring] output of its own"
        )


def _partitions(files: Iterable[SourceFile], by: PartitionBy) -> set[Partition]:
    """Return the partitions that hold rows. Only files that span several are read for it."""
    found: set[Partition] = set()
    for file in files:
        if file.times is None:
            continue
        first, last = partition_at(file.times.first, by), partition_at(file.times.last, by)
        found |= {first, last}
        if first.end != last.start and first != last:
            found |= _occupied(file, by)
    return found


def _occupied(file: SourceFile, by: PartitionBy) -> set[Partition]:
    """Read a file's time column for the partitions that hold rows."""
    assert file.times is not None, "a file without moments occupies nothing"
    starts: set[int] = set()
    length = partition_at(0, by).end
    try:
        with open_file(file.path) as stream, pq.ParquetFile(stream) as parquet:
            for batch in parquet.iter_batches(batch_size=1 << 18, columns=[file.time_column]):
                moments = batch.column(0).drop_null().cast(pa.timestamp("ns")).cast(pa.int64())
                starts |= set((np.unique(moments.to_numpy() // length) * length).tolist())
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFile(
            f"{file.name} cannot be read to its end: {error}: restore it"
        ) from error
    return {Partition(start, by) for start in starts}


def set_aside(source: Source, reasons: Mapping[str, str]) -> Source:
    """Return the source without the files that a reason is given for, which are set aside."""
    aside = tuple(SetAside(name, reason) for name, reason in reasons.items())
    files = tuple(file for file in source.files if file.name not in reasons)
    return Source(files, source.aside + aside)
