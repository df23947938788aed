"""What must be computed: input fingerprints against those in the output's footers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aedetect.errors import OutputError, UnreadableFile
from aedetect.files import SetAside, Source, SourceFile
from aedetect.partition import FLAGGED, SCORES, Partition, PartitionBy, parse_folder, partition_at
from aedetect.sink import PART, Origin, read_origin


@dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """What is scored, where the verdicts go, and when: `[scoring]`."""

    input: str | tuple[str, ...] | None = None  # file, folder, glob or URL
    output: str = "output"  # folder
    partition: PartitionBy = "day"
    strict: bool = False  # whether a run fails in the end for files that it could not score
    stale_after: str | None = None  # age of the newest row that is an alert; None: any age is fine
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

    def agrees(self, partition: Partition, origin: Origin, anew: Origin | None) -> bool:
        """Whether a partition made now would be what it is."""
        if anew is None:
            return self.unit(partition, origin.lookback).inputs == origin.inputs
        now = replace(anew, inputs=self.unit(partition, anew.lookback).inputs)
        return now.footer() == origin.footer()


def make_plan(
    source: Source,
    fingerprints: Mapping[str, str],
    written: Mapping[Partition, Origin | None],
    *,
    by: PartitionBy,
    lookback: int,
    span: Span,
    anew: Origin | None = None,
    force: bool = False,
) -> Plan:
    """Compare what each partition would be made from with what it was made from.

    Partitions outside the span are left alone. A partition that exists is judged by the lookback it
    was written with, so that a new model changes nothing that is already written; given what it
    would be made from `anew` (whatever its inputs), it is judged by all of that; when forced, it is
    computed whatever it was made from.
    """
    due = {partition for file in source.files for partition in occupied(file, by)}
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
        elif force or origin is None or not index.agrees(partition, origin, anew):
            compute.append(index.unit(partition, lookback))
        else:
            current += 1
    return Plan(tuple(compute), tuple(withdrawn), tuple(held), current)


def read_written(output: Path, *, by: PartitionBy) -> dict[Partition, Origin | None]:
    """Read what the partitions that exist were made from; None when one of its files is missing.

    Raises OutputError when the output is partitioned otherwise, or was not written by aedetect.
    """
    scores, flagged = (_listed(output / kind, by=by) for kind in (SCORES, FLAGGED))
    either = flagged | scores
    with ThreadPoolExecutor(max_workers=4) as pool:
        origins = dict(zip(either, pool.map(read_origin, either.values()), strict=True))
    whole = scores.keys() & flagged.keys()
    return {partition: origins[partition] if partition in whole else None for partition in either}


def _listed(root: Path, *, by: PartitionBy) -> dict[Partition, Path]:
    """List the files of one kind of output; raise OutputError when one is not ours."""
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
    return {at: path for at, path in found if at is not None}


def check_owner(written: Mapping[Partition, Origin | None], *, model_name: str) -> None:
    """Raise OutputError when the output holds the scores of another detector."""
    others = {origin.model_name for origin in written.values() if origin} - {model_name}
    if others:
        raise OutputError(
            f'the output folder holds scores of "{min(others)}", not of "{model_name}": give each '
            "detector a [scoring] output of its own"
        )


def occupied(file: SourceFile, by: PartitionBy) -> set[Partition]:
    """Return the partitions that hold rows of a file, which is read only when it spans several.

    Raises UnreadableFile when it cannot be read to its end.
    """
    if file.times is None:
        return set()
    first, last = partition_at(file.times.first, by), partition_at(file.times.last, by)
    if first == last or first.end == last.start:
        return {first, last}
    return {partition_at(hour, by) for hour in file.hours}


def unreadable(files: Iterable[SourceFile], by: PartitionBy) -> dict[str, str]:
    """Return the files whose time column cannot be read to its end, and why."""
    reasons = {}
    for file in files:
        try:
            occupied(file, by)
        except UnreadableFile as error:
            reasons[file.name] = str(error)
    return reasons


def set_aside(source: Source, reasons: Mapping[str, str]) -> Source:
    """Return the source without the files that a reason is given for, which are set aside."""
    aside = tuple(SetAside(name, reason) for name, reason in reasons.items())
    files = tuple(file for file in source.files if file.name not in reasons)
    return Source(files, source.aside + aside)
