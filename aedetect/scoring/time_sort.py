"""Sort input by time if otherwise every partition would read most of it.

A file with one entity after another has rows of every day in every row group: scoring a year in
daily partitions would read it 365 times. One pass sorts such input by time, on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from aedetect.data import SourceFile, open_engine
from aedetect.data.reader import reading
from aedetect.data.scan import ENTITY, FILE, ROW, TIME, Cell, identifier, scan, sql_literal
from aedetect.data.sources import rewritten, touched
from aedetect.data.time_ranges import time_ranges
from aedetect.errors import UnreadableFile

if TYPE_CHECKING:
    from aedetect.data import Schema
    from aedetect.scoring.plan import Unit

_MIN_REREADS = 24  # reads of the average row from which sorting once is faster (measured)
_ENGINE_MB = 200
_ROW_GROUP = 32_768  # rows; small, so that a partition reads little beyond itself


def sort_by_time(
    units: Sequence[Unit], *, schema: Schema, lookback: int, lookahead: int = 0, folder: Path
) -> tuple[Unit, ...]:
    """Return the units, reading from one file sorted by time if that is faster.

    The file is written to the folder and must exist until the units are computed. It is not used if
    an input cannot be read to its end or is replaced meanwhile: then only its own units fail.
    """
    files = list({file.name: file for unit in units for file in unit.files}.values())
    if not is_sorting_faster(units, lookback=lookback, lookahead=lookahead):
        return tuple(units)
    start = min(unit.bounds[0] for unit in units) - lookback
    end = max(unit.bounds[1] for unit in units) + lookahead
    inputs = {name: unit.inputs[name] for unit in units for name in unit.inputs}
    before = touched(files, inputs)
    try:
        path = _order_by_time(files, schema=schema, start=start, end=end, folder=folder)
    except UnreadableFile:  # slower, but all readable rows are scored
        return tuple(units)
    if rewritten(before):
        return tuple(units)
    ordered = _describe(path, files[0], schema)
    return tuple(replace(unit, files=(ordered,)) for unit in units)


def is_sorting_faster(units: Sequence[Unit], *, lookback: int, lookahead: int) -> bool:
    """Whether so many rows would be read again and again that sorting them once is faster."""
    return _times_read(units, lookback, lookahead) >= _MIN_REREADS


def _times_read(units: Iterable[Unit], lookback: int, lookahead: int) -> float:
    """Return how often an input row would be read; row groups outside a partition are skipped."""
    read = 0
    files = {file.name: file for unit in units for file in unit.files}.values()
    for unit in units:
        start, end = unit.bounds[0] - lookback, unit.bounds[1] + lookahead
        for file in unit.files:
            read += sum(group.rows for group in file.groups if group.meets(start, end))
    return read / max(sum(file.rows for file in files), 1)


def _order_by_time(
    files: Sequence[SourceFile], *, schema: Schema, start: int, end: int, folder: Path
) -> Path:
    """Write the needed columns of the rows in [start, end) ns, ordered by time."""
    path = folder / "by_time.parquet"
    cells = {
        f"aedetect:{index}": Cell(feature.name, "VARCHAR" if feature.is_text else "DOUBLE")
        for index, feature in enumerate(schema.features)
    }
    rows = scan(files, cells, entity=schema.entity, start=start, end=end)
    columns = ", ".join([TIME, *([ENTITY] * bool(schema.entity)), *map(identifier, cells)])
    sql = (
        f"COPY (SELECT {columns}, {FILE}, {ROW} FROM {rows} "
        f"ORDER BY {TIME}) TO {sql_literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE {_ROW_GROUP})"
    )
    engine = open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=folder, files=files)
    with reading(files), engine as connection:
        connection.execute(sql)
    return path


def _describe(path: Path, origin: SourceFile, schema: Schema) -> SourceFile:
    """Describe the ordered file as the file it stands for, so that the output is the same."""
    keys = [schema.timestamp] if schema.entity is None else [schema.timestamp, schema.entity]
    with pq.ParquetFile(path) as parquet:
        return replace(
            origin,
            path=str(path),
            rows=parquet.metadata.num_rows,
            columns={name: origin.columns[name] for name in (*keys, *schema.names)},
            hive=frozenset(),
            groups=time_ranges(parquet, "aedetect:time"),
            by_time=True,
            signature=None,
        )
