"""Write one Parquet file of an output, in batches, with a footer that records its origin."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.output.atomic import sync_paths
from aedetect.output.verdict_counts import VerdictCounter

if TYPE_CHECKING:
    from aedetect.output.atomic import Origin

ROW_GROUP = 131_072  # rows; a fixed size, so that equal rows give equal bytes
_FEW_ROWS = 256  # up to which a file is not compressed: it is no larger, and takes half the time


class TableWriter:
    """Write one Parquet file, in row groups of equal size whatever the size of the batches.

    It is opened with the first row group, or when it is closed: then its size is known. As a
    context manager it closes the file at the end; when the body fails it lets go of it at once, and
    what is there is no whole file.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        origin: Origin,
        marks: Mapping[bytes, bytes] | None = None,
        *,
        synced: bool = True,
    ) -> None:
        """Begin; `marks` are also written to the footer, and the counts of verdicts.

        Not `synced`, the caller syncs it to disk, see `aedetect.output.atomic.sync_paths`.
        """
        self.path = path
        self.rows = 0
        self._synced = synced
        self._schema = schema.with_metadata({**origin.footer(), **(marks or {})})
        self._file: tuple[pa.OSFile, pq.ParquetWriter] | None = None
        self._is_closed = False
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        counted = {"entity", "verdict"} <= set(schema.names)
        self._verdicts = VerdictCounter() if counted else None

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        """Close the file, or let go of it when the body failed."""
        try:
            if kind is None:
                self.close()
        finally:
            self._let_go()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self._waiting.append(batch.replace_schema_metadata(self._schema.metadata))
        self._waiting_rows += batch.num_rows
        while self._waiting_rows >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def close(self) -> None:
        """Write the buffered rows and the footer; later calls do nothing."""
        if self._is_closed:
            return
        sink, writer = self._opened()
        self._flush(self._waiting_rows)
        if self._verdicts is not None:
            writer.add_key_value_metadata(self._verdicts.footer())
        writer.close()
        sink.close()
        self._file = None
        self._is_closed = True
        if self._synced:
            sync_paths([self.path])

    def _let_go(self) -> None:
        """Close the file as it is: a full disk takes no footer either."""
        self._is_closed = True
        if self._file is None:
            return
        sink, writer = self._file
        writer.is_open = False  # or it tries to write one when it is collected
        with suppress(OSError):
            sink.close()

    def _opened(self) -> tuple[pa.OSFile, pq.ParquetWriter]:
        """Open the file unless it is open."""
        if self._file is None:
            compression = "none" if self.rows <= _FEW_ROWS else "zstd"
            sink = pa.OSFile(str(self.path), "wb")
            try:
                dictionary = _repeating(self._schema)
                writer = pq.ParquetWriter(
                    sink, self._schema, compression=compression, use_dictionary=dictionary
                )
            except BaseException:
                sink.close()
                raise
            self._file = sink, writer
        return self._file

    def _flush(self, rows: int) -> None:
        """Write some of the waiting rows as a row group."""
        _, writer = self._opened()
        table = pa.Table.from_batches(self._waiting, self._schema)
        if rows:
            group = table.slice(0, rows).combine_chunks()
            writer.write_table(group, row_group_size=ROW_GROUP)
            if self._verdicts is not None:
                self._verdicts.add(group.to_batches()[0])
        rest = table.slice(rows)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows


def _repeating(schema: pa.Schema) -> list[str] | bool:
    """Return the columns whose values may repeat, for a dictionary; True for all.

    Scores hardly do: their dictionary takes half of the time to write a file of them, and a quarter
    of its size.
    """
    if any(pa.types.is_nested(kind) for kind in schema.types):
        return True
    return [field.name for field in schema if field.type != pa.float32()]
