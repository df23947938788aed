"""Plan what to compute: compare input fingerprints with those in the footers of the output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from aedetect.arrays import Int64
from aedetect.data import Source, SourceFile
from aedetect.data.file_stat import Signature
from aedetect.data.listing import unseen_names
from aedetect.data.sources import FileKey, Quarantined, fingerprint_files, open_file
from aedetect.output import Origin, Partition
from aedetect.output.catalog import PartitionOrigins
from aedetect.output.partitions import (
    PartitionBy,
    Span,
    partition_at,
)
from aedetect.scoring.suppression import Suppression
from aedetect.timestamps import NANOSECONDS
from aedetect.wall_clock import WallClock

ZONE_INPUT = "[data] timezone"  # among the inputs of a partition
_UTC = WallClock()
_DAY = NANOSECONDS["d"]  # more than any offset from UTC
_NOTHING_QUIET = Suppression()
_NOTHING_MADE = PartitionOrigins({})


@dataclass(frozen=True)
class Unit:
    """One partition to compute, and the input files that affect it."""

    partition: Partition
    files: tuple[SourceFile, ...]
    inputs: Mapping[str, str]  # name -> fingerprint; includes suppression settings
    suppression: Suppression = _NOTHING_QUIET
    expected: int | None = None  # rows of the partition in the files; None: not known
    clock: WallClock = _UTC  # on which the partition is a day or an hour

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The timestamps [start, end) in ns of its rows."""
        return self.partition.bounds(self.clock)

    def without(self, names: Collection[str]) -> Unit:
        """Return the unit as if these files were not there."""
        start, end = self.bounds
        files = tuple(file for file in self.files if file.name not in names)
        inputs = {name: each for name, each in self.inputs.items() if name not in names}
        rows = (n for file in files for hour, n in file.hours.items() if start <= hour < end)
        expected = None if self.expected is None else sum(rows)
        return replace(self, files=files, inputs=inputs, expected=expected)


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    compute: tuple[Unit, ...]
    withdraw: tuple[Partition, ...]  # their input rows no longer exist
    deferred: tuple[Partition, ...]  # not changed, because one of their inputs cannot be read now
    current: int  # partitions that are up to date


@dataclass(frozen=True)
class _Index:
    """Files by time: first and last timestamp (N,) of those that have any."""

    files: tuple[SourceFile, ...]
    fingerprints: Mapping[str, str]
    suppression: Suppression
    clock: WallClock
    first: Int64
    last: Int64

    @classmethod
    def of(
        cls,
        files: Iterable[SourceFile],
        fingerprints: Mapping[str, str],
        suppression: Suppression,
        clock: WallClock,
    ) -> _Index:
        dated = [(file, file.times) for file in files if file.times is not None]
        return cls(
            tuple(file for file, _ in dated),
            fingerprints,
            suppression,
            clock,
            np.array([times.first for _, times in dated], dtype=np.int64),
            np.array([times.last for _, times in dated], dtype=np.int64),
        )

    def unit(self, partition: Partition, lookback: int, lookahead: int) -> Unit:
        """Select the files that can have rows in the partition, its lookback or its lookahead."""
        begin, until = partition.bounds(self.clock)
        start, end = begin - lookback, until + lookahead
        meets = (self.first < end) & (self.last >= start)
        numbers = np.flatnonzero(meets)
        chosen = tuple(map(self.files.__getitem__, numbers.tolist()))
        inside = map(self.files.__getitem__, numbers[self.last[numbers] >= begin].tolist())
        inputs = {file.name: self.fingerprints[file.name] for file in chosen}
        suppression = self.suppression.within(start, end)
        expected = sum(
            rows for file in inside for hour, rows in file.hours.items() if begin <= hour < until
        )
        inputs |= suppression.inputs | zone_input(self.clock)
        return Unit(partition, chosen, inputs, suppression, expected, self.clock)

    def agrees(self, partition: Partition, origin: Origin, rescore_as: Origin | None) -> bool:
        """Whether a partition computed now would be identical."""
        by = origin if rescore_as is None else rescore_as
        inputs = self.unit(partition, by.lookback, by.lookahead).inputs
        return replace(by, inputs=inputs) == origin


def make_plan(
    source: Source,
    fingerprints: Mapping[str, str],
    written: Mapping[Partition, PartitionOrigins],
    *,
    by: PartitionBy,
    lookback: int,
    lookahead: int = 0,
    span: Span,
    rescore_as: Origin | None = None,
    calibration_at: Callable[[int], int] | None = None,
    force: bool = False,
    suppression: Suppression = _NOTHING_QUIET,
    clock: WallClock = _UTC,
) -> Plan:
    """Compare the current inputs of each partition with the inputs that it was computed from.

    Partitions outside the span are not considered. An existing partition is compared using the
    lookback and lookahead that it was written with, so that a new model does not change existing
    output; with `rescore_as` (an origin whose inputs are ignored), it is also compared with that
    origin, of the calibration that `calibration_at` returns for its start (ns); with `force`, it is
    always computed. It is also computed if the origins of its files differ, as after a killed run.
    """
    due = {partition for file in source.files for partition in occupied_partitions(file, by, clock)}
    index = _Index.of(source.files, fingerprints, suppression, clock)
    unreadable = {each.name for each in source.quarantined}
    compute, withdrawn, deferred, current = [], [], [], 0

    def wanted(partition: Partition) -> Origin | None:
        if rescore_as is None or calibration_at is None:
            return rescore_as
        version = calibration_at(partition.bounds(clock)[0])
        return replace(rescore_as, calibration_version=version)

    for partition in sorted(due | set(written)):
        if not span.covers(partition, clock):
            continue
        made = written.get(partition, _NOTHING_MADE)
        origin = made.agreed
        if unseen_names(made.inputs, unreadable):
            deferred.append(partition)
        elif partition not in due:
            withdrawn.append(partition)
        elif force or origin is None or not index.agrees(partition, origin, wanted(partition)):
            compute.append(index.unit(partition, lookback, lookahead))
        else:
            current += 1
    return Plan(tuple(compute), tuple(withdrawn), tuple(deferred), current)


def time_extent(files: Iterable[SourceFile], written: Iterable[Partition]) -> tuple[int, int]:
    """Return [start, end) in ns of all input rows and written partitions; (0, 0) for none."""
    times = [file.times for file in files if file.times is not None]
    edges = [moment for each in times for moment in (each.first, each.last + 1)]
    edges += [moment for each in written for moment in (each.start - _DAY, each.end + _DAY)]
    return min(edges, default=0), max(edges, default=0)


def occupied_partitions(
    file: SourceFile, by: PartitionBy, clock: WallClock = _UTC
) -> set[Partition]:
    """Return the partitions that hold rows of a file."""
    found: set[Partition] = set()
    end: int | None = None
    for hour in sorted(file.hours):
        if end is None or hour >= end:
            partition = partition_at(hour, by, clock)
            _, end = partition.bounds(clock)
            found.add(partition)
    return found


def zone_input(clock: WallClock) -> dict[str, str]:
    """Return the zone among the inputs of a partition: in another zone it holds other rows."""
    return {ZONE_INPUT: str(clock.zone)} if clock.is_shifted else {}


def fingerprinted(
    source: Source, known: Mapping[FileKey, tuple[Signature, str]] | None = None
) -> tuple[Source, dict[str, str]]:
    """Take the fingerprints of all files; those that are gone by now are quarantined."""
    while True:
        try:
            return source, fingerprint_files(source.files, known=known)
        except OSError as error:
            gone = [file.name for file in source.files if not _is_there(file)]
            if not gone:
                raise
            reason = f"is gone or cannot be read any more ({error.strerror})"
            source = quarantine(source, dict.fromkeys(gone, reason))


def _is_there(file: SourceFile) -> bool:
    """Whether a file can be opened."""
    try:
        open_file(file.path).close()
    except OSError:
        return False
    return True


def quarantine(source: Source, reasons: Mapping[str, str]) -> Source:
    """Return the source with the files that have a reason quarantined."""
    more = tuple(Quarantined(name, reason) for name, reason in reasons.items())
    files = tuple(file for file in source.files if file.name not in reasons)
    return replace(source, files=files, quarantined=source.quarantined + more)
