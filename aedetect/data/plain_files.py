"""Rows of plain files, read without a database: faster, and without its memory.

Most files are plain: local, with timestamps, with numbers or texts in columns whose names leave no
doubt. What is read of them is what the SQL of `aedetect.data.scan` gives, to the last bit; all
other files are left to it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.arrays import Bool
from aedetect.data.counters import take_increases
from aedetect.data.reader import (
    batch_rows,
    fetched_rows,
    fits_memory,
    reading,
    rows_at_most,
    rows_looked_at,
)
from aedetect.data.row_order import ordered_rows
from aedetect.data.rows import Rows
from aedetect.data.scan import is_doubtful
from aedetect.data.sources import SourceFile
from aedetect.data.sql import NAMED, EntityRange, Query
from aedetect.timestamps import FIRST_MOMENT, LAST_MOMENT

_FEW_CELLS = 2**22  # 32 MiB
_MOST = 3  # rows read for each that is wanted; a database decodes fewer of the others


def is_plain(query: Query) -> bool:
    """Whether `read_plain` can read the rows of a query, and nearly all it reads is wanted."""
    return (
        query.where in (None, NAMED)
        and not any(query.missing.values())
        and fits_memory(query)
        and all(_is_plain(file, query) for file in query.files)
        and rows_looked_at(query) <= _MOST * _wanted(query)
    )


def is_small(query: Query) -> bool:
    """Whether the rows of a query are plain, and so few that they are held whatever their width."""
    return rows_at_most(query) * len(query.categories) <= _FEW_CELLS and is_plain(query)


def read_plain(query: Query) -> Iterator[Rows]:
    """Yield the rows of a plain query as `aedetect.data.reader.read_rows` does.

    Raises UnreadableFile if a file is corrupt.
    """
    rows = _ordered(query)
    yield from rows if query.counting is None else take_increases(rows, query.counting)


def _ordered(query: Query) -> Iterator[Rows]:
    numbered = enumerate(query.files)
    with reading(query.files):
        batches = (each for number, file in numbered for each in _batches(number, file, query))
        most, size = rows_at_most(query), batch_rows(len(query.categories))
        yield from ordered_rows(batches, query.categories, most=most, size=size)


def _is_plain(file: SourceFile, query: Query) -> bool:
    columns = file.columns
    needed = _columns(file, query)
    if "://" in file.path or file.by_time or file.beyond or file.hive:
        return False
    if is_doubtful(list(columns)) or any("." in name for name in needed):  # "a.b" may be b in a
        return False
    texts = {query.entity, *(name for name, known in query.categories.items() if known)}
    return pa.types.is_timestamp(columns[file.time_column]) and all(
        _is_text(columns[name]) if name in texts else _is_number(columns[name])
        for name in needed[1:]
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    floats = pa.types.is_float32(kind) or pa.types.is_float64(kind)
    return bool(floats or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _columns(file: SourceFile, query: Query) -> list[str]:
    """Return the columns to read, each once, that of the time first."""
    names = (file.time_column, query.entity, *query.categories)
    return list(dict.fromkeys(name for name in names if name is not None and name in file.columns))


def _bounds(query: Query) -> tuple[int, int]:
    """Return the first moment that is wanted, and the first after it that is not, in ns."""
    start = FIRST_MOMENT if query.start is None else max(query.start, FIRST_MOMENT)
    return start, LAST_MOMENT if query.end is None else min(query.end, LAST_MOMENT)


def _wanted(query: Query) -> int:
    """Return about how many rows a query has."""
    start, end = _bounds(query)
    return sum(
        rows
        for file in query.files
        for hour, rows in file.hours.items()
        if hour < end and hour + file.step > start
    )


def _batches(number: int, file: SourceFile, query: Query) -> Iterator[pa.RecordBatch]:
    """Yield the wanted rows of a file, named as by `aedetect.data.sql.select`, not in order."""
    (start, end), names = _bounds(query), _columns(file, query)
    with pq.ParquetFile(file.path, coerce_int96_timestamp_unit="us", pre_buffer=False) as parquet:
        count, before = parquet.metadata.num_row_groups, 0
        listed = file.groups if len(file.groups) == count else (None,) * count
        for group, times in enumerate(listed):
            row, before = before, before + parquet.metadata.row_group(group).num_rows
            if times is not None and not (times.first < end and times.last >= start):
                continue
            fetched = parquet.iter_batches(
                fetched_rows(query), row_groups=[group], columns=names, use_threads=False
            )
            for batch in fetched:
                named = _named(batch, file, query, number, row)
                row += batch.num_rows
                time = named.column("_time").fill_null(LAST_MOMENT).to_numpy()
                inside = (time >= start) & (time < end)
                if query.where == NAMED:
                    inside &= named.column("_entity").is_valid().to_numpy(zero_copy_only=False)
                if query.entities is not None:
                    inside &= _among(named.column("_entity"), query.entities)
                yield named if inside.all() else named.filter(pa.array(inside))


def _named(
    batch: pa.RecordBatch, file: SourceFile, query: Query, number: int, row: int
) -> pa.RecordBatch:
    """Return the columns of rows under their names: of the file of a number, from a row on."""
    time, known = batch.column(file.time_column), set(batch.schema.names)
    columns = {
        "_time": time.cast(pa.timestamp("ns", tz=time.type.tz)).cast(pa.int64()),
        "_entity": _text(batch, query.entity),
    }
    for index, (name, texts) in enumerate(query.categories.items()):
        if texts:
            columns[f"c{index}"] = _text(batch, name)
        else:
            columns[f"c{index}"] = _number(batch, name if name in known else None)
    columns["_file"] = pa.array(np.full(len(batch), number, dtype=np.int64))
    columns["_row"] = pa.array(np.arange(row, row + len(batch)))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _among(names: pa.Array, entities: EntityRange) -> Bool:
    """Whether each row is of some entities: (R,). Arrow compares text by its bytes, as SQL does."""
    low, high = entities.low, entities.high
    found = np.ones(len(names), dtype=np.bool_)
    for edge, compare in ((low, pc.greater_equal), (high, pc.less)):
        if edge is not None:
            within = compare(names, edge).fill_null(high is None)
            found &= within.to_numpy(zero_copy_only=False)
    return found


def _text(batch: pa.RecordBatch, name: str | None) -> pa.Array:
    if name is None or name not in batch.schema.names:
        return pa.nulls(len(batch), pa.string())
    column = batch.column(name)
    column.validate(full=True)  # a file may hold bytes that are no text
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _number(batch: pa.RecordBatch, name: str | None) -> pa.Array:
    if name is None:
        return pa.nulls(len(batch), pa.float64())
    column = batch.column(name)
    return column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
