"""How many values each column has in the normal rows, and their range: some columns at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.data.plain_files import is_small, read_plain
from aedetect.data.scan import identifier, scan
from aedetect.data.sql import Query, plain_cells, typed_cell

if TYPE_CHECKING:
    from aedetect.data.reader import Engine
    from aedetect.data.schema import Kind
    from aedetect.data.settings import DataSettings
    from aedetect.data.sources import Source

_AT_ONCE = 64  # columns; the memory that DuckDB plans a query with grows with their square


@dataclass(frozen=True)
class ValueCount:
    """The number of rows with a value, and for numbers the minimum and maximum."""

    rows: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class NormalRows:
    """The number of normal rows, and what each column holds in them."""

    rows: int
    columns: Mapping[str, ValueCount]


def count_values(
    engine: Engine,
    source: Source,
    settings: DataSettings,
    kinds: Mapping[str, Kind],
    *,
    where: str | None,
    mentioned: Collection[str],
) -> NormalRows:
    """Count the rows that fulfil a condition, and the values of each column in them.

    Raises DuckDB's own errors.
    """
    query = _query(source, settings, kinds, where)
    if query is not None and is_small(query):
        return _counted(query)
    rows, columns = 0, dict[str, ValueCount]()
    listed = list(kinds)
    for start in range(0, len(listed), _AT_ONCE):
        names = listed[start : start + _AT_ONCE]
        counts, plain, cells = [], [], {}
        for index, name in enumerate(names):
            is_text, column = kinds[name] == "category", identifier(f"aedetect:{index}")
            missing = settings.missing_values if kinds[name] == "number" else ()
            cells[f"aedetect:{index}"] = typed_cell(name, is_text=is_text, missing={name: missing})
            # Five times as fast as aggregates with a FILTER each.
            value = column if is_text else f"CASE WHEN isfinite({column}) THEN {column} END"
            plain.append(f"{value} AS v{index}")
            number = "NULL" if is_text else f"v{index}"
            counts += [f"count(v{index})", f"min({number})", f"max({number})"]
        table = scan(source.files, cells | plain_cells(mentioned), entity=settings.entity)
        sql = (
            f"SELECT count(*), {', '.join(counts)} "
            f"FROM (SELECT {', '.join(plain)} FROM {table} WHERE ({where or 'TRUE'}))"
        )
        rows, *found = engine().sql(sql).fetchall()[0]
        columns |= {name: ValueCount(*found[3 * n : 3 * n + 3]) for n, name in enumerate(names)}
    return NormalRows(rows, columns)


def _query(
    source: Source, settings: DataSettings, kinds: Mapping[str, Kind], where: str | None
) -> Query | None:
    """Return the query of all rows that are counted; None where text is among the columns."""
    if "category" in kinds.values():
        return None
    missing = {n: settings.missing_values for n, kind in kinds.items() if kind == "number"}
    return Query(
        files=source.files,
        timestamp=settings.timestamp,
        entity=settings.entity,
        categories=dict.fromkeys(kinds, ()),
        missing=missing,
        where=where,
    )


def _counted(query: Query) -> NormalRows:
    """Count the values of plain rows, without a database."""
    names = list(query.categories)
    count, total = np.zeros(len(names), dtype=np.int64), 0
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for rows in read_plain(query):
        there = np.isfinite(rows.values)
        low = np.minimum(low, rows.values.min(axis=0, where=there, initial=np.inf))
        high = np.maximum(high, rows.values.max(axis=0, where=there, initial=-np.inf))
        count, total = count + there.sum(axis=0), total + len(rows)
    known = zip(names, count.tolist(), low.tolist(), high.tolist(), strict=True)
    columns = {n: ValueCount(c, lo, hi) if c else ValueCount(0) for n, c, lo, hi in known}
    return NormalRows(total, columns)
