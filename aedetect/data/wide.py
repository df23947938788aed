"""Tables of many columns, in groups of columns: sorting a whole row of them takes much memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64
from aedetect.data.memmap import MappedRows, map_rows, map_values, release
from aedetect.data.plain_files import is_small, read_plain
from aedetect.data.reader import Engine, batch_rows, read_rows
from aedetect.errors import DataError

if TYPE_CHECKING:
    from aedetect.data.rows import Rows
    from aedetect.data.sql import Query

GROUP = 50  # columns that are sorted together


def column_groups(query: Query) -> list[Query]:
    """Split a query into queries of fewer columns, which give the same rows in the same order.

    Columns are read as they are in the files, counters too.
    """
    names = list(query.categories)
    groups = [names[start : start + GROUP] for start in range(0, len(names), GROUP)] or [[]]
    return [
        replace(query, categories={name: query.categories[name] for name in group}, counting=None)
        for group in groups
    ]


def map_columns(engine: Engine, query: Query, *, folder: Path) -> MappedRows:
    """Write the rows of a query to a folder and map them, a group of columns after the other.

    Raises DataError when the files change meanwhile.
    """
    columns = len(query.categories)
    if is_small(query):
        return map_rows(read_plain(query), columns=columns, folder=folder)
    if columns <= GROUP:
        return map_rows(read_rows(engine(), query), columns=columns, folder=folder)
    parts = []
    for number, group in enumerate(column_groups(query)):
        place = folder / f"columns{number}"
        place.mkdir()
        rows = read_rows(engine(), group)
        parts.append(map_rows(rows, columns=len(group.categories), folder=place))
    first = parts[0]
    if any(not np.array_equal(part.rows.time, first.rows.time) for part in parts[1:]):
        names = ", ".join(file.name for file in query.files[:3])
        raise DataError(f"{names} changed while read: run again when all is written")
    values = _joined([part.rows for part in parts])
    merged = map_values(first.rows, values, folder / "values.f8", len(query.categories))
    for part in parts[1:]:
        Path(str(part.rows.values.filename)).unlink()  # type: ignore[attr-defined]
    return MappedRows(merged, first.duplicates)


def _joined(parts: list[Rows]) -> Iterator[Rows]:
    """Yield batches of the rows with all columns."""
    count = sum(part.values.shape[1] for part in parts)
    most = batch_rows(count)
    for start in range(0, len(parts[0]), most):
        batch = [part.take(slice(start, start + most)) for part in parts]
        values: Float64 = np.hstack([np.asarray(each.values) for each in batch])
        yield replace(batch[0], values=values)
        for part in parts:
            release(part.values)
