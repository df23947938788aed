"""The files of one partition, while its rows come in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from aedetect.drift import DRIFT
from aedetect.output import locked
from aedetect.output.atomic import publish_all, sync_paths, withdraw
from aedetect.output.partitions import FLAGGED, SCORES
from aedetect.output.table_writer import TableWriter
from aedetect.scoring.drift_sums import drift_sums, write_drift

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Float64, Int64
    from aedetect.data import Rows
    from aedetect.detector import CalibratedScorer
    from aedetect.drift import PartitionSums
    from aedetect.output import Origin
    from aedetect.scoring.plan import Unit

_HELD_ROWS = 8_192  # before files are opened: of many small partitions few are open at a time


@dataclass(frozen=True)
class PartitionRows:
    """Scored rows of a partition, and their columns in scores/ and flagged/.

    Shapes: rows, score, p_value and reason (N,), as in `Scored`; flags (N,) the anomalies.
    """

    rows: Rows
    scores: pa.RecordBatch
    flagged: pa.RecordBatch
    score: Float32
    p_value: Float64
    reason: pa.StringArray
    flags: Bool

    def slice(self, rows: slice, flagged: slice) -> PartitionRows:
        """Return neighbouring rows, and the flagged ones among them, without a copy."""
        return PartitionRows(
            self.rows.take(rows),
            self.scores.slice(rows.start, rows.stop - rows.start),
            self.flagged.slice(flagged.start, flagged.stop - flagged.start),
            self.score[rows],
            self.p_value[rows],
            self.reason.slice(rows.start, rows.stop - rows.start),
            self.flags[rows],
        )


def split_judged(judged: PartitionRows, place: Int64) -> list[tuple[int, PartitionRows]]:
    """Split rows by the number of their partition (N,), which ascends."""
    numbers, own = np.unique(place), place[judged.flags]
    edges = [np.append(np.searchsorted(each, numbers), len(each)) for each in (place, own)]
    rows, flagged = ([slice(*pair) for pair in pairwise(each.tolist())] for each in edges)
    parts = [judged.slice(*pair) for pair in zip(rows, flagged, strict=True)]
    return list(zip(numbers.tolist(), parts, strict=True))


@dataclass
class Tally:
    """Counts of the rows of a partition, or of a part of it."""

    rows: int = 0
    flagged: int = 0
    not_scored: dict[str, int] = field(default_factory=dict)  # by reason
    suppressed: dict[str, int] = field(default_factory=dict)  # by reason

    def add(self, judged: PartitionRows) -> None:
        """Count rows."""
        self.rows += judged.scores.num_rows
        self.flagged += judged.flagged.num_rows
        missing = np.isnan(judged.score)
        _count(judged.reason, missing, self.not_scored)
        _count(judged.reason, ~missing & ~judged.flags, self.suppressed)

    def take(self, other: Tally) -> None:
        """Add the counts of other rows."""
        self.rows += other.rows
        self.flagged += other.flagged
        for own, more in (
            (self.not_scored, other.not_scored),
            (self.suppressed, other.suppressed),
        ):
            for reason, count in more.items():
                own[reason] = own.get(reason, 0) + count


class WrittenPartition(Protocol):
    """A partition whose files are closed, and wait to be moved to their places."""

    @property
    def unit(self) -> Unit:
        """The partition."""

    def written(self, kind: str) -> Path | None:
        """Return the file of a kind of output; None where there is none, as without rows."""


@dataclass
class PartitionFiles:
    """Adds up what is written of a partition, and writes it to files of a place."""

    unit: Unit
    place: Path  # what the paths of its files begin with: a folder for each would take time
    origin: Origin
    detector: CalibratedScorer
    schemas: dict[str, pa.Schema]  # of scores/ and flagged/
    opened: ExitStack
    tally: Tally = field(default_factory=Tally)
    _held: dict[str, list[pa.RecordBatch]] = field(default_factory=dict)
    _writers: dict[str, TableWriter] = field(default_factory=dict)
    _sums: PartitionSums | None = None

    def __post_init__(self) -> None:
        """Start without rows."""
        self._sums = drift_sums(self.detector)
        self._held = {kind: [] for kind in self.schemas}

    def add(self, judged: PartitionRows) -> None:
        """Add rows, which come in order."""
        for kind, batch in ((SCORES, judged.scores), (FLAGGED, judged.flagged)):
            self._held[kind].append(batch)
        self.tally.add(judged)
        if self._sums is not None:
            self._sums.add(judged.rows, judged.score, judged.p_value)
        if self._writers or self.tally.rows >= _HELD_ROWS:
            self._write()

    def close(self) -> None:
        """Write scores and flagged rows that are left."""
        self._write()
        for writer in self._writers.values():
            writer.close()

    @property
    def drift(self) -> tuple[PartitionSums, Path, Origin] | None:
        """What its file of drift is written from; None without a profile of the training."""
        return None if self._sums is None else (self._sums, self._path(DRIFT), self.origin)

    def written(self, kind: str) -> Path | None:
        """Return the file of a kind of output; None where there is none, as without rows."""
        path = self._path(kind)
        return path if self.tally.rows and path.exists() else None

    def _write(self) -> None:
        if not self._writers:
            for kind, schema in self.schemas.items():
                writer = TableWriter(self._path(kind), schema, self.origin, synced=False)
                self._writers[kind] = self.opened.enter_context(writer)
        for kind, batches in self._held.items():
            for batch in batches:
                self._writers[kind].write(batch)
            batches.clear()

    def _path(self, kind: str) -> Path:
        return self.place.with_name(f"{self.place.name}-{kind}.parquet")


def close_partitions(parts: Sequence[PartitionFiles]) -> None:
    """Write what is left of partitions of one detector; `publish_partitions` syncs it to disk."""
    for part in parts:
        part.close()
    write_drift([part.drift for part in parts if part.drift is not None])


def publish_partitions(parts: Sequence[WrittenPartition], output: Path) -> None:
    """Sync closed files, move them to their places, all scores last; without one, remove the old.

    Each step is made for all of them: waiting for the disk takes longer than small partitions. The
    flagged rows are first: a partition with others than its scores have is computed again.
    """
    found = {kind: [part.written(kind) for part in parts] for kind in (FLAGGED, DRIFT, SCORES)}
    sync_paths(path for paths in found.values() for path in paths if path is not None)
    with locked(output, alone=False):
        for kind, paths in found.items():
            targets = [part.unit.partition.path(output, kind) for part in parts]
            pairs = list(zip(paths, targets, strict=True))
            for target in (target for path, target in pairs if path is None):
                withdraw(target, root=output / kind)
            publish_all([(path, target) for path, target in pairs if path is not None])


def _count(reason: pa.StringArray, which: Bool, total: dict[str, int]) -> None:
    """Add up the reasons of some rows."""
    if reason.null_count == len(reason) or not which.any():
        return
    found = reason.filter(pa.array(which)).drop_null().value_counts()
    for each in found.to_pylist():
        total[each["values"]] = total.get(each["values"], 0) + each["counts"]
