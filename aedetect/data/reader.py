"""Parquet files -> checked rows, ordered by entity and time, in bounded memory.

DuckDB reads and orders: it evaluates the `normal` filter as SQL, sorts beyond memory on disk and
prunes row groups. pyarrow supports neither of the first two; `benchmarks/engines.py` measures both
on what each supports.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.data.counters import take_increases
from aedetect.data.row_order import ordered_rows, text_codes
from aedetect.data.rows import Rows
from aedetect.data.scan import address, sql_literal
from aedetect.data.sources import SourceFile
from aedetect.data.sql import Query, select
from aedetect.data.wholeness import fault
from aedetect.errors import DataError, OutputError, UnreadableFile

if TYPE_CHECKING:
    import duckdb

# The same one each time. By name: DuckDB complains of each of its types that is held to the end.
Engine = Callable[[], "duckdb.DuckDBPyConnection"]
BATCH_ROWS = 32_768
WHOLE_CELLS = 2**25  # 256 MiB of numbers that are ordered in memory; of more, DuckDB orders on disk
_FETCHED_CELLS = 2**18  # that are moved at a time, from and to the processor's cache
_KEYS = 4  # columns of a row beside its values: time, entity, file and number
_PAGES_MB = 1.5  # writers of Parquet make pages of 1 MB; they are held as they are stored, too
_CELL_BYTES = 8
BATCH_CELLS = 2**21  # 16 MiB of numbers: memory that the allocator keeps, and does not map anew
_FULL = ("No space left on device", "max_temp_directory_size", "File too large")


@contextmanager
def open_engine(
    *, memory_mb: int, threads: int = 1, scratch: Path, files: Sequence[SourceFile] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB connection with a memory limit that sorts on disk beyond it.

    What reading `files` takes is added to the limit. Raises OutputError if the disk has no space
    for what does not fit.
    """
    import duckdb

    from aedetect.data.exact_files import ExactFiles

    remote = any("://" in file.path for file in files)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb + threads * reading_mb(files)}MB",
        "threads": threads,
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
        # Else all of a row group, whatever its size, is in memory at a time. On object storage that
        # is a request instead of thousands.
        "disable_parquet_prefetching": not remote,
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # The progress bar would be printed to standard output. In a notebook without ipywidgets
        # there is none, and DuckDB refuses to hear of it.
        with suppress(duckdb.InvalidInputException):
            connection.execute("SET enable_progress_bar = false")
        connection.register_filesystem(ExactFiles())
        with _sorting_in(scratch):
            yield connection


def reading_mb(files: Sequence[SourceFile]) -> int:
    """Return the megabytes that a thread takes to read files: a page or two of each column.

    Of files on object storage a row group.
    """
    columns = max((len(file.columns) for file in files), default=0)
    remote = [group.rows for file in files if "://" in file.path for group in file.groups]
    pages = math.ceil(_PAGES_MB * columns)
    return pages + math.ceil(max(remote, default=0) * columns * _CELL_BYTES / 1e6)


@contextmanager
def engine_for(
    files: Sequence[SourceFile], *, memory_mb: int, threads: int, scratch: Path
) -> Iterator[Engine]:
    """Yield what opens an engine when it is first needed, which reads these files alone."""
    with ExitStack() as opened:

        @cache
        def engine() -> duckdb.DuckDBPyConnection:
            made = open_engine(memory_mb=memory_mb, threads=threads, scratch=scratch, files=files)
            connection = opened.enter_context(made)
            confine(connection, files)
            return connection

        yield engine


def confine(connection: duckdb.DuckDBPyConnection, files: Sequence[SourceFile]) -> None:
    """Let a connection read these files, and sort on disk, and nothing else from now on.

    For SQL that a configuration brings along; it is checked before.
    """
    allowed = ", ".join(sql_literal(address(file.path)) for file in files)
    connection.execute(f"SET allowed_paths = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def batch_rows(columns: int) -> int:
    """Return the rows of a batch: fewer in a wide table, so that memory does not grow with it.

    >>> batch_rows(20), batch_rows(1_000)
    (32768, 2097)
    """
    return max(min(BATCH_ROWS, BATCH_CELLS // max(columns, 1)), 1)


def read_rows(connection: duckdb.DuckDBPyConnection, query: Query) -> Iterator[Rows]:
    """Yield the rows in order, one batch at a time, without rows that have no timestamp.

    Raises UnreadableFile if a file is corrupt.
    """
    rows = _read_levels(connection, query)
    yield from rows if query.counting is None else take_increases(rows, query.counting)


def _read_levels(connection: duckdb.DuckDBPyConnection, query: Query) -> Iterator[Rows]:
    """Yield the rows as they are in the files."""
    size = batch_rows(len(query.categories))
    with reading(query.files):
        if fits_memory(query):
            batches = connection.sql(select(query, ordered=False)).to_arrow_reader(
                fetched_rows(query)
            )
            most = rows_at_most(query)
            yield from ordered_rows(batches, query.categories, most=most, size=size)
            return
        for batch in connection.sql(select(query)).to_arrow_reader(size):
            if batch.num_rows:
                yield _rows(batch, query.categories)


def fits_memory(query: Query) -> bool:
    """Whether all rows of a query fit into memory together."""
    return rows_at_most(query) * (len(query.categories) + _KEYS) <= WHOLE_CELLS


def fetched_rows(query: Query) -> int:
    """Return how many rows are moved at a time."""
    return max(_FETCHED_CELLS // (len(query.categories) + _KEYS), 1)


def rows_at_most(query: Query) -> int:
    """Return how many rows a query has at most, by the footers of the files."""
    known = rows_looked_at(query)
    return known if query.entities is None else min(known, query.entities.rows)


def rows_looked_at(query: Query) -> int:
    """Return how many rows the parts of files have that hold those of a query."""
    start = -math.inf if query.start is None else query.start
    end = math.inf if query.end is None else query.end
    groups = (group for file in query.files for group in file.groups)
    return sum(each.rows for each in groups if each.first < end and each.last >= start)


@contextmanager
def reading(files: Sequence[SourceFile]) -> Iterator[None]:
    """Convert errors of DuckDB to UnreadableFile for corrupt files, else to DataError."""
    try:
        yield
    except (*_engine_errors(), pa.ArrowException) as error:
        if _is_out_of_space(error):  # `open_engine` names the location
            raise
        corrupt = {file.name: reason for file in files if (reason := fault(file)) is not None}
        message = _cause(error)
        if corrupt:
            raise UnreadableFile(
                f"{'; '.join(f'{name} {reason}' for name, reason in corrupt.items())}: "
                "restore or remove it",
                reasons=corrupt,
                is_damaged=True,
            ) from error
        if type(error).__name__ == "OutOfMemoryException":
            raise DataError(
                f"ordering the rows of {files[0].name} and {len(files) - 1} other files takes more "
                f"than the memory for it ({message}): leave columns out, or, to score them, set "
                '[scoring] partition = "hour"'
            ) from error
        raise DataError(
            f"the rows of {files[0].name} and {len(files) - 1} other files cannot be read as asked "
            f"({message}): check [data] normal and the types of the columns"
        ) from error


@contextmanager
def _sorting_in(scratch: Path) -> Iterator[None]:
    """Convert errors of DuckDB about a full disk to OutputError."""
    try:
        yield
    except _engine_errors() as error:
        if not _is_out_of_space(error):
            raise
        raise OutputError(
            f"{scratch} has no room for ordering the rows ({_cause(error)}): free "
            "space and run again; files written before are whole"
        ) from error


def _engine_errors() -> tuple[type[Exception], ...]:
    """Return the errors of reading: those of DuckDB too, once it is imported."""
    return (OSError, sys.modules["duckdb"].Error) if "duckdb" in sys.modules else (OSError,)


def _cause(error: Exception) -> str:
    """Return the cause in one line: the last one, which may be an error of Python code."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if lines[0].startswith("Traceback") else 0].strip()


def _is_out_of_space(error: Exception) -> bool:
    """Whether the disk is full, or would be according to DuckDB."""
    return any(sign in str(error) for sign in _FULL)


def _rows(batch: pa.RecordBatch, categories: Mapping[str, tuple[str, ...]]) -> Rows:
    """Convert an Arrow batch to rows; values are row-major, as required by windows."""
    entity = batch.column("_entity").dictionary_encode(null_encoding="encode")
    values = np.empty((batch.num_rows, len(categories)))
    for index, known in enumerate(categories.values()):
        column = batch.column(f"c{index}")
        values[:, index] = (
            text_codes(column, known) if known else column.to_numpy(zero_copy_only=False)
        )
    return Rows(
        time=batch.column("_time").to_numpy(),
        entity=entity.indices.to_numpy(),
        names=tuple(entity.dictionary.to_pylist()),
        values=values,
    )
