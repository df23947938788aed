"""The catalogue of output files: by kind and time, with their origins and the reach of events.

An event is stored in the partition of its start and may end in a later one. To find the events of a
range without opening all files, the footer of each file of events/ records the start of the
earliest event that reaches into its partition from an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aedetect.errors import OutputError
from aedetect.output.atomic import PART, Origin, locked, withdraw, written
from aedetect.output.files import OutputFile
from aedetect.output.filesystem import is_remote, map_files, newest_folders, parquet_files
from aedetect.output.partitions import (
    EVENTS,
    FLAGGED,
    SCORES,
    Partition,
    PartitionBy,
    Span,
    parse_folder,
)

REACH_KEY = b"aedetect.reach"  # in the footers of events/: ns, or null
_EVERYTHING = Span()


@dataclass(frozen=True)
class PartitionOrigins:
    """The origins of the existing files of one partition, by kind."""

    kinds: Mapping[str, Origin]

    @classmethod
    def of(cls, origin: Origin) -> PartitionOrigins:
        """Return the origins of a partition whose files all have the same origin."""
        return cls(dict.fromkeys((SCORES, FLAGGED), origin))

    @property
    def agreed(self) -> Origin | None:
        """The common origin of scores and flagged rows; None when one is missing or differs.

        They differ after a run that was killed between the two. Events are not considered: they are
        formed again when flagged rows change, and need no new scores.
        """
        scores, flagged = self.kinds.get(SCORES), self.kinds.get(FLAGGED)
        return scores if scores == flagged else None

    @property
    def agreed_scores(self) -> Origin | None:
        """As `agreed`, but flagged rows may be from another calibration.

        This is the state after a killed run that applied a new calibration: it can be completed
        from the scores. Any other difference requires scoring again.
        """
        scores, flagged = self.kinds.get(SCORES), self.kinds.get(FLAGGED)
        if scores is None or flagged is None:
            return None
        version, longest = scores.calibration_version, scores.longest
        same = replace(flagged, calibration_version=version, longest=longest) == scores
        return scores if same else None

    @property
    def calibrations(self) -> frozenset[int]:
        """Calibration versions of all files."""
        return frozenset(origin.calibration_version for origin in self.kinds.values())

    @property
    def inputs(self) -> frozenset[str]:
        """Names of the input files of all files."""
        return frozenset(name for origin in self.kinds.values() for name in origin.inputs)


def list_files(
    output: Path, kind: str, *, by: PartitionBy | None = None, span: Span = _EVERYTHING
) -> tuple[OutputFile, ...]:
    """List the files of a kind whose partitions overlap the span, in order of time.

    If the days are those of a zone, the files of a day before and after are listed, too.

    With `by`, the required partitioning, raises OutputError if a file was not written by aedetect
    or has another partitioning; without it, such files are skipped.
    """
    root = output / kind
    pruned = by is None and span != _EVERYTHING
    paths = parquet_files(root, (lambda name: _may_hold(name, span)) if pruned else None)
    found = [(_partition(path, root), path) for path in paths]
    if by is not None:
        _check_ours(found, by)
    listed = [file for file in _in_order(kind, found) if span.may_cover(file.partition)]
    return tuple(_select(listed, span, padded=_is_padded(listed, span)))


def newest_files(output: Path, kind: str) -> Iterator[OutputFile]:
    """Yield the files that `list_files` lists, the newest first; mostly one is asked for.

    A folder is looked into after the other, where they are on this machine.
    """
    root = output / kind
    if is_remote(output):
        yield from reversed(list_files(output, kind))
        return
    for name in newest_folders(root):
        if parse_folder(name) is not None:
            found = [(_partition(path, root), path) for path in parquet_files(root / name)]
            yield from reversed(_in_order(kind, found))


def _in_order(kind: str, found: Iterable[tuple[Partition | None, Path]]) -> list[OutputFile]:
    """Return the files of partitions, in order of time."""
    files = [OutputFile(kind=kind, partition=at, path=path) for at, path in found if at is not None]
    return sorted(files, key=lambda file: (file.partition.start, file.partition.by))


def _may_hold(name: str, span: Span) -> bool:
    """Whether a folder of a day may hold partitions that overlap the span."""
    day = parse_folder(name)
    return day is not None and span.may_cover(day)


def list_event_files(output: Path, span: Span = _EVERYTHING) -> tuple[OutputFile, ...]:
    """List the files of events/ that can contain events of the span, in order of time.

    These are the partitions of the span, and earlier ones from which events reach into it: the
    footer of the first partition that ends after the start of the span records the earliest start
    of those events. If it does not, as in files of earlier versions, all earlier files are listed.
    """
    files = list_files(output, EVENTS)
    padded = _is_padded(files, span)
    until = _select(files, Span(None, span.until), padded=padded)
    after = _select(files, Span(span.since, None), padded=padded)
    if not after or not until or after[0] == files[0]:
        return tuple(_select(until, span, padded=padded))
    footer = after[0].footer()
    first = json.loads(footer[REACH_KEY]) if REACH_KEY in footer else files[0].partition.start
    reached = Span(after[0].partition.start if first is None else first, None)
    return tuple(_select(until, reached, padded=padded))


def _select(files: Sequence[OutputFile], span: Span, *, padded: bool) -> list[OutputFile]:
    """Return the files whose partitions overlap the span, on any clock when `padded`."""
    return [
        file
        for file in files
        if (span.may_cover(file.partition) if padded else span.covers(file.partition))
    ]


def _is_padded(files: Sequence[OutputFile], span: Span) -> bool:
    """Whether partitions begin at another time than in UTC: opens one file, of the span if any.

    No file is opened if the span would select the same files.
    """
    within = _select(files, span, padded=False)
    near = _select(files, span, padded=True)
    if len(within) == len(near):
        return False
    file = (within or near)[0]
    return file.clock("start" if file.kind == EVENTS else "timestamp").is_shifted


def reach_mark(reach: int | None) -> dict[bytes, bytes]:
    """Return the footer entry for the earliest start of an event that reaches into a partition."""
    return {REACH_KEY: json.dumps(reach).encode()}


def read_origins(output: Path, *, by: PartitionBy) -> dict[Partition, PartitionOrigins]:
    """Read the origins of the files of each partition.

    Raises OutputError if the output has another partitioning or was not written by aedetect.
    """
    files = [file for kind in (SCORES, FLAGGED) for file in list_files(output, kind, by=by)]
    judged = {file.partition for file in files}
    files += [file for file in list_files(output, EVENTS, by=by) if file.partition not in judged]
    found: dict[Partition, dict[str, Origin]] = {}
    for file, (origin, _) in zip(files, read_footers(files), strict=True):
        found.setdefault(file.partition, {})[file.kind] = origin
    return {partition: PartitionOrigins(kinds) for partition, kinds in found.items()}


def read_footers(files: Sequence[OutputFile]) -> list[tuple[Origin, Mapping[bytes, bytes]]]:
    """Read the origins and the footer metadata of some files, several at once."""
    return map_files(OutputFile.marks, files, files[0].path) if files else []


def withdraw_files(output: Path, kind: str, partitions: Iterable[Partition]) -> None:
    """Remove the files of a kind of some partitions. Raises OutputError on failure."""
    with written(output), locked(output, alone=False):
        for partition in partitions:
            withdraw(partition.path(output, kind), root=output / kind)


def check_owner(written: Mapping[Partition, PartitionOrigins], *, model_name: str) -> None:
    """Raise OutputError if the output contains scores of another detector."""
    names = {origin.model_name for each in written.values() for origin in each.kinds.values()}
    if others := names - {model_name}:
        raise OutputError(
            f'the output folder holds scores of "{min(others)}", not of "{model_name}": give each '
            "detector a [scoring] output of its own"
        )


def _partition(path: Path, root: Path) -> Partition | None:
    """Return the partition of a file; None if a run does not write to its path."""
    folder, _, name = str(path).rpartition("/")
    return parse_folder(folder[len(str(root).rstrip("/")) + 1 :]) if name == PART else None


def _check_ours(found: Sequence[tuple[Partition | None, Path]], by: PartitionBy) -> None:
    if foreign := [path for at, path in found if at is None]:
        raise OutputError(
            f"{foreign[0]} was not written by aedetect: move it away, or choose another [scoring] "
            "output"
        )
    if other := [path for at, path in found if at is not None and at.by != by]:
        raise OutputError(
            f'the output must be partitioned by "{by}", but there is {other[0]}: choose '
            "another [scoring] output, or the partition it was written with"
        )
