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
from aedetect.partition import (
    EVENTS,
    FLAGGED,
    SCORES,
    Partition,
    PartitionBy,
    parse_folder,
    partition_at,
)
from aedetect.sink import PART, Origin, read_origin
from aedetect.suppress import Suppression

_NOTHING_QUIET = Suppression()


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
    inputs: Mapping[str, str]  # name -> fingerprint; of what keeps its rows quiet too
    suppression: Suppression = _NOTHING_QUIET


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
    suppression: Suppression
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        files: Iterable[SourceFile],
        fingerprints: Mapping[str, str],
        suppression: Suppression,
    ) -> _Index:
        dated = [(file, file.times) for file in files if file.times is not None]
        return cls(
            tuple(file for file, _ in dated),
            fingerprints,
            suppression,
            np.array([times.first for _, times in dated], dtype=np.int64),
            np.array([times.last for _, times in dated], dtype=np.int64),
        )

    def unit(self, partition: Partition, lookback: int, lookahead: int) -> Unit:
        """Take the files that can hold rows of the partition, its lookback or its lookahead."""
        start, end = partition.start - lookback, partition.end + lookahead
        meets = (self.first < end) & (self.last >= start)
        chosen = tuple(self.files[index] for index in np.flatnonzero(meets))
        inputs = {file.name: self.fingerprints[file.name] for file in chosen}
        suppression = self.suppression.within(partition.start, partition.end)
        return Unit(partition, chosen, inputs | suppression.inputs, suppression)

    def agrees(self, partition: Partition, origin: Origin, anew: Origin | None) -> bool:
        """Whether a partition made now would be what it is."""
        by = origin if anew is None else anew
        inputs = self.unit(partition, by.lookback, by.lookahead).inputs
        return replace(by, inputs=inputs) == origin


def make_plan(
    source: Source,
    fingerprints: Mapping[str, str],
    written: Mapping[Partition, Origin | None],
    *,
    by: PartitionBy,
    lookback: int,
    lookahead: int = 0,
    span: Span,
    anew: Origin | None = None,
    force: bool = False,
    suppression: Suppression = _NOTHING_QUIET,
) -> Plan:
    """Compare what each partition would be made from with what it was made from.

    Partitions outside the span are left alone. A partition that exists is judged by the lookback
    and lookahead it was written with, so that a new model changes nothing that is already written;
    given what it would be made from `anew` (whatever its inputs), it is judged by all of that; when
    forced, it is computed whatever it was made from.
    """
    due = {partition for file in source.files for partition in occupied(file, by)}
    index = _Index.of(source.files, fingerprints, suppression)
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
            compute.append(index.unit(partition, lookback, lookahead))
        else:
            current += 1
    return Plan(tuple(compute), tuple(withdrawn), tuple(held), current)


def read_written(output: Path, *, by: PartitionBy) -> dict[Partition, Origin | None]:
    """Read what the partitions that exist were made from; None when one of its files is missing.

    Events are formed from the other two and may be missing: that is no reason to score again.
    Raises OutputError when the output is partitioned otherwise, or was not written by aedetect.
    """
    scores, flagged, events = (listed(output / kind, by=by) for kind in (SCORES, FLAGGED, EVENTS))
    either = events | flagged | scores
    with ThreadPoolExecutor(max_workers=4) as pool:
        origins = dict(zip(either, pool.map(read_origin, either.values()), strict=True))
    whole = scores.keys() & flagged.keys()
    return {partition: origins[partition] if partition in whole else None for partition in either}


def listed(root: Path, *, by: PartitionBy) -> dict[Partition, Path]:
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


def extent(files: Iterable[SourceFile], written: Iterable[Partition]) -> tuple[int, int]:
    """Return [start, end) in ns of all rows that are there or due; (0, 0) when there are none."""
    times = [file.times for file in files if file.times is not None]
    edges = [moment for each in times for moment in (each.first, each.last + 1)]
    edges += [moment for each in written for moment in (each.start, each.end)]
    return min(edges, default=0), max(edges, default=0)


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
