"""The SQL for the rows of Parquet files, each column by its exact name and its own type.

DuckDB takes names that differ in case only for one, gives a file's column a new name when it has
two of them, unites the types of all files, and takes every key=value folder of a path for a column.
None of that may change the values of a row: so a file is read beside those that are like it, by
position where names are doubtful, and what it holds is converted before it meets other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa

from aedetect.data.missing_values import sql_without
from aedetect.timestamps import FIRST_MOMENT, LAST_MOMENT, format_instant

if TYPE_CHECKING:
    from aedetect.data.sources import SourceFile

PROTOCOL = "exactly"  # of addresses that name one file, whatever is in its path
TIME = '"aedetect:time"'  # a timestamp; null where a row has none
ENTITY = '"aedetect:entity"'  # text; null where a row has none
FILE = '"aedetect:file"'  # number of the file among those asked for
ROW = '"aedetect:row"'  # number of the row in its file
ORDER = f"{ENTITY} NULLS LAST, {TIME}, {FILE}, {ROW}"  # without ties, and small: no path in it
_PATTERN = "*?[\\"  # what is special to DuckDB in a path: the last ends a folder's name
_VIRTUAL = {"file_row_number", "file_index", "filename", ""}  # names that DuckDB gives a meaning
WHOLE = 1e18  # doubles below it are distinct as whole numbers


@dataclass(frozen=True)
class Cell:
    """A column to read: its exact name in the files, and the SQL type that it is cast to."""

    name: str
    sql_type: str | None = None  # None: as it is
    missing: tuple[float, ...] = ()  # numbers that stand for a missing value; of doubles only


def scan(
    files: Sequence[SourceFile],
    cells: Mapping[str, Cell],
    *,
    entity: str | None,
    start: int | None = None,
    end: int | None = None,
    undated: bool = False,
) -> str:
    """Write the SQL for the rows of the files in [start, end) ns: `cells` by the names to give.

    Beside them come TIME, ENTITY, and what ORDER needs. Rows without a moment only when asked for.
    """
    if all(file.by_time for file in files):
        groups = [list(range(len(files)))]
    else:
        names = [cell.name for cell in cells.values()] + ([entity] if entity else [])
        groups = _alike(files, names)
    parts = [
        _select(files, group, cells, entity, (start, end), undated=undated, alone=len(groups) == 1)
        for group in groups
    ]
    return f"({' UNION ALL '.join(parts)})"


def parquet(addresses: Sequence[str], *options: str) -> str:
    """Write the SQL for all rows of Parquet files, given by their `address`."""
    listed = ", ".join(sql_literal(each) for each in addresses)
    return f"read_parquet([{listed}], {', '.join((*options, 'hive_partitioning = false'))})"


def address(path: str) -> str:
    """Return what DuckDB opens a local path or URL by: never a pattern, and this one file.

    Most local paths are read by DuckDB itself. It takes `*`, `?` and `[` in a path for a pattern,
    and an escaped one makes it list the folder for every file; such paths, and URLs, get an address
    that the registered `ExactFiles` opens.

    >>> address("/data/d.parquet"), address("/data/d[1].parquet")
    ('/data/d.parquet', 'exactly://%2Fdata%2Fd%5B1%5D.parquet/')
    """
    if "://" in path or any(sign in path for sign in _PATTERN):
        return f"{PROTOCOL}://{quote(path, safe='')}/"
    return path


def entity_name(column: str, dtype: pa.DataType) -> str:
    """Write the SQL for an entity's name: made from its value alone, not from how it is stored.

    7, 7.0 and "7" are one entity, "007" is another; not a number is none.
    """
    text = f"CAST({column} AS VARCHAR)"
    if pa.types.is_floating(dtype):
        whole = f"CAST(CAST({column} AS BIGINT) AS VARCHAR)"
        return (
            f"CASE WHEN isnan({column}) THEN NULL WHEN {column} = trunc({column}) "
            f"AND abs({column}) < {WHOLE:.0f} THEN {whole} ELSE {text} END"
        )
    if pa.types.is_decimal(dtype) and dtype.scale > 0:
        return f"rtrim(rtrim({text}, '0'), '.')"
    return text


def identifier(name: str) -> str:
    """Quote a column name for SQL.

    >>> identifier("cpu %")
    '"cpu %"'
    """
    return '"' + name.replace('"', '""') + '"'


def sql_literal(value: str) -> str:
    """Quote a text for SQL.

    >>> sql_literal("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def is_doubtful(names: Sequence[str]) -> bool:
    """Whether DuckDB would give one of the columns of a file another name or meaning.

    >>> is_doubtful(["time", "temp"]), is_doubtful(["temp", "TEMP"])
    (False, True)
    """
    folded = {name.lower() for name in names}
    return len(folded) < len(names) or not folded.isdisjoint(_VIRTUAL)


def _alike(files: Sequence[SourceFile], names: Sequence[str]) -> list[list[int]]:
    """Return the numbers of the files that can be read as one: equal types, names beyond doubt."""
    groups: dict[object, list[int]] = {}
    for number, file in enumerate(files):
        needed = (file.time_column, *names)
        own = tuple((name, file.columns.get(name), name in file.hive) for name in needed)
        whole = tuple(file.columns.items()) if is_doubtful(_stored(file)) else None
        groups.setdefault((own, whole, file.beyond > 0), []).append(number)
    return list(groups.values())


def _stored(file: SourceFile) -> list[str]:
    """Return the columns that are in the file, by position."""
    return [name for name in file.columns if name not in file.hive]


def _select(
    files: Sequence[SourceFile],
    group: Sequence[int],
    cells: Mapping[str, Cell],
    entity: str | None,
    span: tuple[int | None, int | None],
    *,
    undated: bool,
    alone: bool,
) -> str:
    """Write the SQL for files that are alike."""
    first, own = files[group[0]], [files[number] for number in group]
    place, names = _places(first)
    keys = [cell.name for cell in cells.values()] + ([entity] if entity else [])
    keyed = [name for name in dict.fromkeys(keys) if name in first.hive]
    place |= {name: f"k{index}" for index, name in enumerate(keyed)}
    time = place[first.time_column]
    within = " AND ".join(_bounds(time, first.columns[first.time_column], *span))
    moment = f"CAST({time} AS TIMESTAMP)" if _is_date(first) else time
    # DuckDB may convert rows that a filter has left out: what cannot be converted must be null.
    if undated or any(file.beyond for file in own):
        moment = f"CASE WHEN {within} THEN {moment} END"
    listed = [f"{moment} AS {TIME}"]
    listed.append(f"{_entity(first, place, entity)} AS {ENTITY}")
    listed += [
        f"{_cast(place.get(cell.name, 'NULL'), cell)} AS {identifier(alias)}"
        for alias, cell in cells.items()
    ]
    number, row, joined = "CAST(file_index AS BIGINT)", "file_row_number", ""
    if first.by_time:
        number, row = f"p{len(first.columns)}", f"p{len(first.columns) + 1}"
    elif keyed or not alone:
        number, joined = (
            "file_number",
            f" JOIN {_keys(own, group, keyed)} ON file_index = file_place",
        )
    listed += [f"{number} AS {FILE}", f"{row} AS {ROW}"]
    source = parquet([address(file.path) for file in own], "union_by_name = true")
    where = "" if undated else f" WHERE {within}"
    return f"SELECT {', '.join(listed)} FROM {source}{names}{joined}{where}"


def _places(file: SourceFile) -> tuple[dict[str, str], str]:
    """Return what each column of a file is called in SQL, and the SQL that gives those names."""
    stored = _stored(file)
    if not (file.by_time or is_doubtful(stored)):
        return {name: identifier(name) for name in stored}, " AS t"
    places = [f"p{number}" for number in range(len(stored) + 2 * file.by_time)]
    return dict(zip(stored, places, strict=False)), f" AS t({', '.join(places)})"


def _keys(files: Sequence[SourceFile], group: Sequence[int], keyed: Sequence[str]) -> str:
    """Write the table of what is known of each file by its place: its number, and its keys."""
    columns = [
        f"unnest(range({len(files)})) AS file_place",
        f"unnest({list(group)}) AS file_number",
    ]
    for index, name in enumerate(keyed):
        values = (file.keys[name] for file in files)
        texts = ", ".join("NULL" if each is None else sql_literal(each) for each in values)
        columns.append(f"unnest(CAST([{texts}] AS VARCHAR[])) AS k{index}")
    return f"(SELECT {', '.join(columns)})"


def _entity(file: SourceFile, place: Mapping[str, str], entity: str | None) -> str:
    if entity is None:
        return "NULL::VARCHAR"
    dtype = pa.string() if file.by_time else file.columns[entity]
    return entity_name(place[entity], dtype)


def _cast(column: str, cell: Cell) -> str:
    typed = f"CAST({column} AS {cell.sql_type})" if cell.sql_type else column
    return sql_without(typed, cell.missing)


def _is_date(file: SourceFile) -> bool:
    return bool(pa.types.is_date(file.columns[file.time_column]))


def _bounds(column: str, dtype: pa.DataType, start: int | None, end: int | None) -> Iterator[str]:
    """Write the SQL for moments in [start, end) ns, and in the time that ns can express.

    The raw column is compared, so that row groups outside the bounds are never read.
    """
    lowest = FIRST_MOMENT if start is None else max(start, FIRST_MOMENT)
    highest = LAST_MOMENT if end is None else min(end, LAST_MOMENT)
    for sign, moment in ((">=", lowest), ("<", highest)):
        yield f"{column} {sign} CAST('{_moment(moment)}' AS {_sql_type(dtype)})"


def _moment(nanoseconds: int) -> str:
    return f"{format_instant(nanoseconds)}.{nanoseconds % 1_000_000_000:09d}"


def _sql_type(dtype: pa.DataType) -> str:
    if pa.types.is_date(dtype):
        return "TIMESTAMP"
    suffix = "_NS" if dtype.unit == "ns" else ""
    return f"TIMESTAMPTZ{suffix}" if dtype.tz else f"TIMESTAMP{suffix}"
