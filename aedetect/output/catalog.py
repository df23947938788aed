"""Which files an output has: by kind and time, what they were made from, and where events reach.

An event lies in the partition of its start and may end in a later one. So that the events of a
range are found without opening all files, the footer of each file of events/ says when the
earliest event began that reaches into its partition from before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from aedetect.errors import OutputError
from aedetect.output.atomic import PART, Origin, locked, withdraw, written
from aedetect.output.files import OutputFile
from aedetect.output.filesystem import is_remote, parquet_files
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
    """What the files of one partition were made from, by kind; those that exist."""

    kinds: Mapping[str, Origin]

    @classmethod
    def of(cls, origin: Origin) -> PartitionOrigins:
        """Return those of a partition whose files were all made from one origin."""
        return cls(dict.fromkeys((SCORES, FLAGGED), origin))

    @property
    def agreed(self) -> Origin | None:
        """What both scores and flagged rows were made from; None when one is missing or differs.

        So it is after a run that was killed between the two. Events are formed from flagged rows,
        and formed again when they are others: they are no reason to score again.
        """
        scores, flagged = self.kinds.get(SCORES), self.kinds.get(FLAGGED)
        return scores if scores == flagged else None

    @property
    def agreed_scores(self) -> Origin | None:
        """As `agreed`, but flagged rows may have been judged by another calibration.

        So it is after a killed run that applied a new calibration: it can be completed from the
        scores. What else disagrees has to be computed again.
        """
        scores, flagged = self.kinds.get(SCORES), self.kinds.get(FLAGGED)
        if scores is None or flagged is None:
            return None
        alike = replace(flagged, calibration_version=scores.calibration_version) == scores
        return scores if alike else None

    @property
    def calibrations(self) -> frozenset[int]:
        """Versions of the calibrations that judged any of the files."""
        return frozenset(origin.calibration_version for origin in self.kinds.values())

    @property
    def inputs(self) -> frozenset[str]:
        """Names of all inputs that any of the files was made from."""
        return frozenset(name for origin in self.kinds.values() for name in origin.inputs)


def list_files(
    output: Path, kind: str, *, by: PartitionBy | None = None, span: Span = _EVERYTHING
) -> tuple[OutputFile, ...]:
    """List the files of a kind whose partitions have moments of the span, in order of time.

    Given what the output has to be partitioned `by`, raises OutputError when a file is not ours
    or of another length; else other files are passed over.
    """
    root = output / kind
    found = [(_partition(path, root), path) for path in parquet_files(root)]
    if by is not None:
        _check_ours(found, by)
    files = [
        OutputFile(kind=kind, partition=at, path=path)
        for at, path in found
        if at is not None and span.covers(at)
    ]
    return tuple(sorted(files, key=lambda file: file.partition))


def list_event_files(output: Path, span: Span = _EVERYTHING) -> tuple[OutputFile, ...]:
    """List the files of events/ that can hold events of the span, in order of time.

    Those are the partitions of the span, and the ones before it from which events reach into it:
    the footer of the first partition that ends after the start of the span says when the earliest
    of those began. Where it does not, as in files of earlier versions, all before are listed.
    """
    files = list_files(output, EVENTS)
    until = [file for file in files if Span(None, span.until).covers(file.partition)]
    after = [file for file in files if Span(span.since, None).covers(file.partition)]
    if not after or not until or after[0] == files[0]:
        return tuple(file for file in until if span.covers(file.partition))
    footer = after[0].footer()
    first = json.loads(footer[REACH_KEY]) if REACH_KEY in footer else files[0].partition.start
    reached = Span(after[0].partition.start if first is None else first, None)
    return tuple(file for file in until if reached.covers(file.partition))


def reach_mark(reach: int | None) -> dict[bytes, bytes]:
    """Write when the earliest event began that reaches into a partition from before (ns)."""
    return {REACH_KEY: json.dumps(reach).encode()}


def read_origins(output: Path, *, by: PartitionBy) -> dict[Partition, PartitionOrigins]:
    """Read what the files of each partition were made from.

    Raises OutputError when the output is partitioned otherwise, or was not written by aedetect.
    """
    files = [file for kind in (SCORES, FLAGGED) for file in list_files(output, kind, by=by)]
    judged = {file.partition for file in files}
    files += [file for file in list_files(output, EVENTS, by=by) if file.partition not in judged]
    found: dict[Partition, dict[str, Origin]] = {}
    for file, (origin, _) in zip(files, read_footers(files), strict=True):
        found.setdefault(file.partition, {})[file.kind] = origin
    return {partition: PartitionOrigins(kinds) for partition, kinds in found.items()}


def read_footers(files: Sequence[OutputFile]) -> list[tuple[Origin, Mapping[bytes, bytes]]]:
    """Read what some files were made from, and all that their footers say, several at once."""
    workers = 16 if files and is_remote(files[0].path) else 4
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(OutputFile.marks, files))


def withdraw_files(output: Path, kind: str, partitions: Iterable[Partition]) -> None:
    """Remove the files of a kind of some partitions. Raises OutputError when it cannot."""
    with written(output), locked(output, alone=False):
        for partition in partitions:
            withdraw(partition.path(output, kind), root=output / kind)


def check_owner(written: Mapping[Partition, PartitionOrigins], *, model_name: str) -> None:
    """Raise OutputError when the output holds the scores of another detector."""
    names = {origin.model_name for each in written.values() for origin in each.kinds.values()}
    if others := names - {model_name}:
        raise OutputError(
            f'the output folder holds scores of "{min(others)}", not of "{model_name}": give each '
            "detector a [scoring] output of its own"
        )


def _partition(path: Path, root: Path) -> Partition | None:
    """Return the partition of a file; None when its place is none that a run writes to."""
    if path.name != PART:
        return None
    return parse_folder(path.parent.relative_to(root).as_posix())


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
