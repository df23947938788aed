"""Parquet files -> checked rows, ordered by entity and time, in bounded memory.

DuckDB reads and orders: it evaluates the `normal` filter as SQL, sorts beyond memory on disk and
prunes row groups. pyarrow has neither the first nor the second; `benchmarks/engines.py` measures
both on the part that each can do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.durations import format_instant
from aedetect.errors import ConfigError, DataError, UnreadableFile
from aedetect.files import SourceFile, is_whole

BATCH_ROWS = 32_768
Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Ordered rows: entities one after the other, time ascending within each.

    Shapes: time (R,) in ns since 1970; entity (R,) index into `names`; values (R, C), a missing
    cell is NaN, a category its index in the feature's categories and -1 when it is none of them.
    """

    time: Int
    entity: npt.NDArray[np.int32]
    names: tuple[str | None, ...]
    values: Float

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)

    def take(self, chosen: slice | Bool | Int) -> Rows:
        """Return some of the rows; a slice copies nothing."""
        return Rows(
            time=self.time[chosen],
            entity=self.entity[chosen],
            names=self.names,
            values=self.values[chosen],
        )

    @property
    def starts(self) -> Bool:
        """(R,) whether a row is the first of its entity."""
        first = np.ones(len(self), dtype=np.bool_)
        first[1:] = self.entity[1:] != self.entity[:-1]
        return first

    @property
    def duplicates(self) -> Bool:
        """(R,) whether a row repeats the entity and time of the row before it."""
        same = np.zeros(len(self), dtype=np.bool_)
        same[1:] = (self.time[1:] == self.time[:-1]) & (self.entity[1:] == self.entity[:-1])
        return same


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which rows and columns to read.

    `categories` maps each column to its categories, () for one that holds numbers or booleans.
    """

    files: Sequence[SourceFile]
    timestamp: str
    entity: str | None
    categories: Mapping[str, tuple[str, ...]]
    where: str | None = None  # SQL
    start: int | None = None  # ns, inclusive
    end: int | None = None  # ns, exclusive


@contextmanager
def engine(
    *, memory_mb: int, threads: int = 1, scratch: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that keeps to a memory limit and sorts on disk beyond it."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB",
        "threads": threads,
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def read(connection: duckdb.DuckDBPyConnection, query: Query) -> Iterator[Rows]:
    """Yield the rows in order, a batch at a time. Rows without a timestamp are not among them.

    Raises UnreadableFile when a file turns out to be corrupt.
    """
    register(connection, query.files)
    with readable(query.files):
        reader = connection.sql(_select(query)).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            if batch.num_rows:
                yield _rows(batch, query.categories)


def register(connection: duckdb.DuckDBPyConnection, files: Iterable[SourceFile]) -> None:
    """Let DuckDB open the URLs among the files through fsspec."""
    for protocol in {file.path.split("://", 1)[0] for file in files if "://" in file.path}:
        connection.register_filesystem(fsspec.filesystem(protocol))


@contextmanager
def readable(files: Sequence[SourceFile]) -> Iterator[None]:
    """Turn what DuckDB says into UnreadableFile for corrupt files, else into DataError."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        corrupt = [file.name for file in files if not is_whole(file)]
        message = str(error).splitlines()[0]
        if corrupt:
            raise UnreadableFile(
                f"{', '.join(corrupt)} cannot be read to the end ({message}): restore or remove it"
            ) from error
        raise DataError(
            f"the rows of {files[0].name} and {len(files) - 1} other files cannot be read as asked "
            f"({message}): check [data] normal and the types of the columns"
        ) from error


def scan(files: Sequence[SourceFile]) -> str:
    """Write the SQL for all rows of the files, with `_file` and `file_row_number`."""
    listed = ", ".join(_text(file.path) for file in files)
    if all(file.by_time for file in files):
        return f"read_parquet([{listed}])"
    hive = str(any(file.hive for file in files)).lower()
    return (
        f"read_parquet([{listed}], filename = '_file', file_row_number = true, "
        f"union_by_name = true, hive_partitioning = {hive}, hive_types_autocast = false)"
    )


def identifier(name: str) -> str:
    '''Quote a column name for SQL.

    >>> identifier('a "b"')
    '"a ""b\"""'
    '''
    return '"' + name.replace('"', '""') + '"'


def columns_in(connection: duckdb.DuckDBPyConnection, condition: str) -> set[str]:
    """Return the columns that a SQL condition mentions; raise ConfigError when it is not SQL."""
    question = "SELECT json_serialize_sql(?)"
    answer = connection.execute(question, [f"SELECT 1 WHERE ({condition})"]).fetchall()[0][0]
    parsed = json.loads(answer)
    if parsed.get("error"):
        raise ConfigError(
            f"[data] normal must be a SQL condition, however: {condition} "
            f"({parsed.get('error_message', 'not SQL')}); write for example \"state = 'on'\""
        )
    return set(_column_references(parsed))


def _column_references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _column_references(child)


def _select(query: Query) -> str:
    """Write the query: typed columns, the filters, and an order without ties."""
    time = identifier(query.timestamp)
    entity = f"CAST({identifier(query.entity)} AS VARCHAR)" if query.entity else "NULL::VARCHAR"
    columns = [f"epoch_ns({_instant(query)}) AS _time", f"{entity} AS _entity"]
    for index, (name, categories) in enumerate(query.categories.items()):
        sql_type = "VARCHAR" if categories else "DOUBLE"
        columns.append(f"CAST({identifier(name)} AS {sql_type}) AS c{index}")
    limits = bounds(query.files[0], query.timestamp, start=query.start, end=query.end)
    conditions = [f"{time} IS NOT NULL", *limits]
    conditions += [f"({query.where})"] if query.where else []
    return (
        f"SELECT {', '.join(columns)} FROM {scan(query.files)} WHERE {' AND '.join(conditions)} "
        f"ORDER BY {order(query)}"
    )


def order(query: Query) -> str:
    """Write the order of rows without ties: what two queries give in it belongs together."""
    entity = f"CAST({identifier(query.entity)} AS VARCHAR)" if query.entity else "NULL::VARCHAR"
    return f"{entity} NULLS LAST, {identifier(query.timestamp)}, _file, file_row_number"


def _instant(query: Query) -> str:
    """Write the time column as a timestamp; dates become their midnight."""
    time = identifier(query.timestamp)
    is_date = pa.types.is_date(query.files[0].columns[query.timestamp])
    return f"CAST({time} AS TIMESTAMP)" if is_date else time


def bounds(
    file: SourceFile, timestamp: str, *, start: int | None, end: int | None
) -> Iterator[str]:
    """Write the SQL for moments in [start, end) ns; the file tells the type of the column.

    The raw column is compared, so that row groups outside the bounds are never read.
    """
    sql_type = _sql_type(file.columns[timestamp])
    for sign, moment in ((">=", start), ("<", end)):
        if moment is not None:
            literal = f"CAST('{_sql_moment(moment)}' AS {sql_type})"
            yield f"{identifier(timestamp)} {sign} {literal}"


def _sql_moment(nanoseconds: int) -> str:
    return f"{format_instant(nanoseconds)}.{nanoseconds % 1_000_000_000:09d}"


def _sql_type(dtype: pa.DataType) -> str:
    if pa.types.is_date(dtype):
        return "TIMESTAMP"
    suffix = "_NS" if dtype.unit == "ns" else ""
    return f"TIMESTAMPTZ{suffix}" if dtype.tz else f"TIMESTAMP{suffix}"


def _rows(batch: pa.RecordBatch, categories: Mapping[str, tuple[str, ...]]) -> Rows:
    """Turn an Arrow batch into rows; values are row-major, as windows need them."""
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


def text_codes(column: pa.Array, known: tuple[str, ...]) -> Float:
    """Return each text's index among the known ones, -1 when it is none, NaN when missing."""
    found = pc.fill_null(pc.index_in(column, value_set=pa.array(known, pa.string())), -1)
    codes: Float = (
        pc.if_else(column.is_valid(), found, None).cast(pa.float64()).to_numpy(zero_copy_only=False)
    )
    return codes


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
