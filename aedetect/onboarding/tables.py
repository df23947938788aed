"""One file -> a table in SQL: its columns by name, each with its kind and the SQL of its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb

from aedetect.data.scan import address, identifier, sql_literal
from aedetect.errors import NoData, UnreadableFile
from aedetect.onboarding.cells import EMPTY, TEXT, Kind, Reading, readings_of, trimmed, whole
from aedetect.onboarding.dialect import read_dialect
from aedetect.onboarding.struct_types import struct_fields
from aedetect.wording import plural

if TYPE_CHECKING:
    from aedetect.onboarding.raw_files import RawFile

_SAMPLE_CELLS, _SAMPLE_ROWS = 400_000, 2_000
_AT_ONCE = 64  # columns; see `aedetect.data.value_counts`
_ENOUGH = 0.8  # share of the cells that are what the column is taken for
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "REAL")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as it is read, and as it will be."""

    name: str
    kind: Kind
    sql: str  # of its values, in the relation of the table
    how: str = ""  # how texts are read, for people
    plain: bool = True  # whether the values are those of the file
    lost: int = 0  # cells that become missing, since they are not what the column is
    example: str | None = None  # one of them
    form: str = ""  # of timestamps that are read by one
    other: Column | None = None  # as it may be read as well: day and month exchanged


@dataclass(frozen=True, kw_only=True)
class Table:
    """One file as SQL."""

    file: RawFile
    relation: str
    columns: tuple[Column, ...]
    rows: int
    comma: bool = False  # whether cells are separated by something else, so that 1,5 may be one
    remarks: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """Return a column by its name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> frozenset[str]:
        """The names of the columns."""
        return frozenset(column.name for column in self.columns)


def open_table(connection: duckdb.DuckDBPyConnection, file: RawFile) -> Table:
    """Describe one file. Raises NoData for one without rows, UnreadableFile for a damaged one."""
    try:
        if file.kind == "csv":
            return _csv(connection, file)
        table = _typed(connection, file)
        return _with_texts(connection, table) if table.columns else table
    except duckdb.Error as error:
        raise UnreadableFile(
            f"{file.name} cannot be read as {file.kind} ({str(error).splitlines()[0]}): check the "
            "file, or leave it out"
        ) from error


def _csv(connection: duckdb.DuckDBPyConnection, file: RawFile) -> Table:
    dialect = read_dialect(file)
    fields = [f"c{place}" for place in range(len(dialect.names))]
    listed = ", ".join(f"'{field}': 'VARCHAR'" for field in fields)
    options = (
        f"auto_detect = false, columns = {{{listed}}}, delim = {sql_literal(dialect.delimiter)}, "
        f"""quote = '"', escape = '"', header = {str(dialect.header).lower()}, """
        f"skip = {dialect.skip}, encoding = '{dialect.encoding}', compression = "
        f"'{file.compression}', ignore_errors = true, max_line_size = 16777216"
    )
    relation = f"read_csv({sql_literal(address(file.path))}, {options})"
    columns = tuple(
        Column(name=name, kind="text", sql=identifier(field), plain=False)
        for name, field in zip(dialect.names, fields, strict=True)
    )
    table = Table(
        file=file,
        relation=relation,
        columns=columns,
        rows=0,
        comma=dialect.delimiter != ",",
        remarks=dialect.remarks,
    )
    table = _with_texts(connection, table)
    return replace(table, remarks=(*table.remarks, *_rejected(connection, table, options)))


def _rejected(connection: duckdb.DuckDBPyConnection, table: Table, options: str) -> Iterator[str]:
    """Say which lines do not have the cells of the others."""
    stored = options.replace("ignore_errors = true", "store_rejects = true")
    place = sql_literal(address(table.file.path))
    connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
    connection.execute(f"SELECT count(*) FROM read_csv({place}, {stored})").fetchall()
    found = connection.execute(
        "SELECT count(DISTINCT line), min(line), arg_min(csv_line, line) FROM reject_errors"
    ).fetchone()
    if found and found[0]:
        yield (
            f"{plural(found[0], 'line')} with another number of cells, left out; the first is line "
            f"{found[1]:,}: {str(found[2])[:60]}"
        )


def _typed(connection: duckdb.DuckDBPyConnection, file: RawFile) -> Table:
    """Describe a file that knows its types: Parquet, or JSON, whose objects become columns."""
    place = sql_literal(address(file.path))
    if file.kind == "parquet":
        relation = f"read_parquet({place}, hive_partitioning = false)"
    else:
        relation = f"read_json({place}, compression = '{file.compression}', sample_size = -1)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    (rows,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchone() or (0,)
    if not rows:
        raise NoData(f"{file.name} has no row: leave it out")
    columns: list[Column] = []
    for name, kind, *_ in described:
        columns += _of_type(name, identifier(name), str(kind))
    return Table(file=file, relation=relation, columns=tuple(columns), rows=int(rows))


def _of_type(name: str, sql: str, kind: str) -> Iterator[Column]:
    """Yield a column by its SQL type, and the fields of an object."""
    if kind.startswith("STRUCT") and "[]" not in kind[-2:]:
        for field, inner in struct_fields(kind):
            yield from _of_type(f"{name}.{field}", f"{sql}.{identifier(field)}", inner)
        return
    found: Kind = "other"
    if kind.startswith(("TIMESTAMP", "DATE")):
        found = "time"
    elif kind.endswith("[]") or kind.startswith(("MAP", "STRUCT", "UNION")):
        found = "other"
    elif any(word in kind for word in _NUMBERS):
        found = "number"
    elif kind == "BOOLEAN":
        found = "boolean"
    elif kind.startswith(("VARCHAR", "ENUM", "UUID")):
        found = "text"
    elif kind.startswith("TIME"):
        found = "clock"
    yield Column(name=name, kind=found, sql=sql, plain="." not in sql)


def _with_texts(connection: duckdb.DuckDBPyConnection, table: Table) -> Table:
    """Find what the texts of a table are, and count what is not."""
    texts = [column for column in table.columns if column.kind == "text"]
    rows = max(100, min(_SAMPLE_ROWS, _SAMPLE_CELLS // max(len(texts), 1)))
    found: dict[str, Column] = {}
    count = table.rows
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        cells = ", ".join(f"CAST({column.sql} AS VARCHAR)" for column in part)
        sample = connection.execute(f"SELECT {cells} FROM {table.relation} LIMIT {rows}").fetchall()
        columns = list(zip(*sample, strict=True)) if sample else [()] * len(part)
        asked = [[text for text in each if text is not None] for each in columns]
        count = _verified(connection, table, part, asked, found)
    if not count:
        raise NoData(f"{table.file.name} has no row that can be read: leave it out")
    return replace(
        table,
        rows=count,
        columns=tuple(found.get(column.name, column) for column in table.columns),
    )


def _verified(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: Sequence[Column],
    samples: Sequence[Sequence[str]],
    found: dict[str, Column],
) -> int:
    """Count in all rows what the first rows look like; return the number of rows."""
    tried = [
        (column, reading, sample)
        for column, sample in zip(columns, samples, strict=True)
        for reading in readings_of(sample, comma=table.comma)
        if reading not in (TEXT, EMPTY)
    ]
    texts = [trimmed(f"CAST({column.sql} AS VARCHAR)") for column in columns]
    counts = ["count(*)", *(f"count({text})" for text in texts)]
    for column, reading, _ in tried:
        text = trimmed(f"CAST({column.sql} AS VARCHAR)")
        value = reading.sql.format(c=text)
        counts += [
            f"count({value})",
            f"min({text}) FILTER (({value}) IS NULL)",
            f"count_if(NOT regexp_full_match({text}, '[+-]?\\d{{1,18}}'))",
        ]
    rows, *figures = connection.execute(
        f"SELECT {', '.join(counts)} FROM {table.relation}"
    ).fetchone() or (0,)
    filled = dict(zip((column.name for column in columns), figures, strict=False))
    for column in columns:
        found[column.name] = _unread(column, filled[column.name])
    seen: dict[str, int] = {}
    for place, (column, reading, sample) in enumerate(tried):
        good, example, odd = figures[len(columns) + 3 * place :][:3]
        present, earlier = filled[column.name], found[column.name]
        is_whole = whole(reading, sample) and not odd
        now = _read(column, reading, present - good, example, is_whole=is_whole)
        if good and good == seen.get(column.name) and reading.kind == earlier.kind == "time":
            found[column.name] = replace(earlier, other=now)
        elif present and good >= _ENOUGH * present and good > seen.get(column.name, 0):
            seen[column.name], found[column.name] = good, now
    return int(rows)


def _read(
    column: Column, reading: Reading, lost: int, example: str | None, *, is_whole: bool
) -> Column:
    sql = reading.sql.format(c=trimmed(f"CAST({column.sql} AS VARCHAR)"))
    return replace(
        column,
        kind=reading.kind,
        sql=sql.replace(" AS DOUBLE)", " AS BIGINT)") if is_whole else sql,
        how=reading.how,
        plain=False,
        lost=lost,
        example=example,
        form=reading.form,
    )


def _unread(column: Column, filled: int) -> Column:
    """Return a column of text as it is, or as missing cells when it has none."""
    if not filled:
        return replace(column, kind="empty", sql=EMPTY.sql, plain=False)
    return column if column.plain else replace(column, sql=trimmed(column.sql))
