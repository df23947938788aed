"""Output files, opened and read in the same way on disk and on object storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.time_ranges import TimeRange, enclosing, time_ranges
from aedetect.errors import OutputError
from aedetect.output.atomic import Origin, read_marks
from aedetect.output.filesystem import open_input
from aedetect.output.partitions import Partition
from aedetect.wall_clock import WallClock, known_zone

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Opened:
    """An open file: its footer, the types of all columns, and the rows that were asked for."""

    metadata: pq.FileMetaData
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """The file of one partition in scores/, flagged/ or events/."""

    kind: str
    partition: Partition
    path: Path

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read columns, all by default, without the key-value metadata of the footer.

        Raises OutputError when the file cannot be read.
        """
        with _reading(self.path):
            return read_parquet(self.path, columns)

    @contextmanager
    def opened(
        self, columns: Sequence[str] | None = None, *, size: int = BATCH_ROWS
    ) -> Iterator[Opened]:
        """Open the file to read columns, all by default, some rows at a time.

        Raises OutputError when the file cannot be read.
        """
        with _reading(self.path), open_parquet(self.path) as parquet:
            names = None if columns is None else list(columns)
            batches = parquet.iter_batches(size, columns=names, use_threads=False)
            yield Opened(
                parquet.metadata,
                parquet.schema_arrow.remove_metadata(),
                (batch.replace_schema_metadata(None) for batch in batches),
            )

    def batches(
        self, columns: Sequence[str] | None = None, *, size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns, some rows at a time. Raises OutputError when the file cannot be read."""
        with self.opened(columns, size=size) as found:
            yield from found.batches

    def schema(self) -> pa.Schema:
        """Return the columns and their types. Raises OutputError when the file cannot be read."""
        with _reading(self.path), open_input(self.path) as stream:
            return pq.read_schema(stream).remove_metadata()

    def footer(self) -> Mapping[bytes, bytes]:
        """Return the key-value metadata. Raises OutputError when the file cannot be read."""
        with _reading(self.path), open_input(self.path) as stream:
            return pq.read_metadata(stream).metadata or {}

    def marks(self) -> tuple[Origin, Mapping[bytes, bytes]]:
        """Return the origin of the file and all metadata of its footer, as `read_marks`."""
        return read_marks(self.path)

    def origin(self) -> Origin:
        """Return the origin of the file. Raises OutputError if its footer has none."""
        return self.marks()[0]

    def clock(self, column: str) -> WallClock:
        """Return the clock that its partition is a day or an hour of: that of a column."""
        return clock_of(self.schema().field(column).type)

    def times(self, column: str) -> TimeRange | None:
        """Return the range of a timestamp column; None if it has no values.

        Uses row-group statistics if present. Raises OutputError when the file cannot be read.
        """
        with _reading(self.path), open_parquet(self.path) as parquet:
            return enclosing(time_ranges(parquet, column))


def clock_of(time: pa.DataType) -> WallClock:
    """Return the clock of a table, by the type of its timestamps."""
    zone = getattr(time, "tz", None)
    return WallClock(known_zone(zone), aware=zone is not None)


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file on any file system, and close it at the end.

    Without `pre_buffer=False`, as in `pq.read_table`, Arrow reads a stream in threads of its own,
    whatever `use_threads` says; a process that ends at once may be aborted by one of these.
    """
    with open_input(path) as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
        yield parquet


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read columns of a file, all by default, without the key-value metadata of the footer."""
    with open_parquet(path) as parquet:
        names = None if columns is None else list(columns)
        table = parquet.read(columns=names, use_threads=False)
    return table.replace_schema_metadata(None)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Convert errors of Arrow about a damaged file to OutputError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"{path} was not written by aedetect or is damaged ({error}): move it away, and run "
            "aedetect score"
        ) from error
