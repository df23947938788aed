"""SQL to read Parquet: rows, columns and order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa

from aedetect.data.sources import SourceFile
from aedetect.timestamps import format_instant

if TYPE_CHECKING:
    from aedetect.data.schema import Schema


PROTOCOL = "exactly"  # of addresses of exactly one file, with any characters in its path
_PATTERN = "*?[\\"  # special characters of DuckDB in a path; the last is a path separator


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which rows and columns to read.

    `categories` maps each column to its categories, () for a column of numbers or booleans.
    """

    files: Sequence[SourceFile]
    timestamp: str
    entity: str | None
    categories: Mapping[str, tuple[str, ...]]
    where: str | None = None  # SQL
    start: int | None = None  # ns, inclusive
    end: int | None = None  # ns, exclusive

    @classmethod
    def of(
        cls,
        schema: Schema,
        files: Sequence[SourceFile],
        *,
        numbers: Sequence[str] = (),
        where: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> Query:
        """Query the features of a schema, in its order, and then further numeric columns."""
        features = {feature.name: feature.categories for feature in schema.features}
        return cls(
            files=files,
            timestamp=schema.timestamp,
            entity=schema.entity,
            categories={**features, **dict.fromkeys(numbers, ())},
            where=where,
            start=start,
            end=end,
        )


def scan(files: Sequence[SourceFile]) -> str:
    """Return the SQL for all rows of the files, with `_file`, `file_index`, `file_row_number`."""
    if all(file.by_time for file in files):
        return parquet([address(file.path) for file in files])
    hive = any(file.hive for file in files)
    addresses = [address(file.path, name=file.name if hive else "") for file in files]
    return parquet(
        addresses,
        "filename = '_file'",
        "file_row_number = true",
        "union_by_name = true",
        hive=hive,
    )


def parquet(addresses: Sequence[str], *options: str, hive: bool = False) -> str:
    """Return the SQL for all rows of Parquet files, given by their `address`."""
    listed = ", ".join(sql_literal(each) for each in addresses)
    keys = f"hive_partitioning = {str(hive).lower()}, hive_types_autocast = false"
    return f"read_parquet([{listed}], {', '.join((*options, keys))})"


def address(path: str, *, name: str = "") -> str:
    """Return the address by which DuckDB opens exactly one local path or URL, never a pattern.

    Most local paths are read by DuckDB itself. It interprets `*`, `?` and `[` in a path as a
    pattern, and lists the folder for every file with an escaped one; such paths, and URLs, get an
    address that the registered `ExactFiles` opens. The key=value folders in `name` become columns.

    >>> address("/data/d.parquet"), address("/data/d[1].parquet")
    ('/data/d.parquet', 'exactly://%2Fdata%2Fd%5B1%5D.parquet/')
    """
    above = path.removesuffix(name)
    if "://" in path or any(sign in path for sign in _PATTERN) or (name and "=" in above):
        return f"{PROTOCOL}://{quote(path, safe='')}/{name}"
    return path


def identifier(name: str) -> str:
    """Quote a column name for SQL.

    >>> identifier("cpu %")
    '"cpu %"'
    """
    return '"' + name.replace('"', '""') + '"'


def select(query: Query) -> str:
    """Return the query: typed columns, the filters, and an order without ties."""
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
    """Return an order of rows without ties, so that the rows of two queries correspond.

    By the number of the file, not its name: a path in each row would double the size of the sort.
    """
    entity = f"CAST({identifier(query.entity)} AS VARCHAR)" if query.entity else "NULL::VARCHAR"
    return f"{entity} NULLS LAST, {identifier(query.timestamp)}, file_index, file_row_number"


def _instant(query: Query) -> str:
    """Return the time column as a timestamp; dates become midnight."""
    time = identifier(query.timestamp)
    is_date = pa.types.is_date(query.files[0].columns[query.timestamp])
    return f"CAST({time} AS TIMESTAMP)" if is_date else time


def bounds(
    file: SourceFile, timestamp: str, *, start: int | None, end: int | None
) -> Iterator[str]:
    """Return the SQL for timestamps in [start, end) ns, with the column type of the file.

    The raw column is compared, so that row groups outside the bounds are not read.
    """
    sql_type = _sql_type(file.columns[timestamp])
    for sign, moment in ((">=", start), ("<", end)):
        if moment is not None:
            literal = f"CAST('{_moment(moment)}' AS {sql_type})"
            yield f"{identifier(timestamp)} {sign} {literal}"


def _moment(nanoseconds: int) -> str:
    return f"{format_instant(nanoseconds)}.{nanoseconds % 1_000_000_000:09d}"


def _sql_type(dtype: pa.DataType) -> str:
    if pa.types.is_date(dtype):
        return "TIMESTAMP"
    suffix = "_NS" if dtype.unit == "ns" else ""
    return f"TIMESTAMPTZ{suffix}" if dtype.tz else f"TIMESTAMP{suffix}"


def sql_literal(value: str) -> str:
    """Quote a string for SQL.

    >>> sql_literal("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"
