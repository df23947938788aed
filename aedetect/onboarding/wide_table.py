"""Arranged tables -> the SQL of wide tables: a row a timestamp and entity, a column a feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aedetect.data.scan import identifier, sql_literal
from aedetect.onboarding.layout import Arrangement, long_columns

if TYPE_CHECKING:
    import duckdb

    from aedetect.onboarding.cells import Kind
    from aedetect.onboarding.moments import Timed
    from aedetect.onboarding.tables import Column

_SEPARATE = 1.2  # times in all, relative to the most of one table, from which they are binned
_MOST_VARIABLES = 5_000
_STORED = {"number": "DOUBLE", "boolean": "BOOLEAN", "empty": "DOUBLE"}


@dataclass(frozen=True, kw_only=True)
class WideTable:
    """One table to be written."""

    name: str  # of the file, without a suffix
    sql: str


@dataclass(frozen=True, kw_only=True)
class Wide:
    """Tables to be written, the names of their keys, and what was done to make them."""

    tables: tuple[WideTable, ...]
    time: str
    entity: str | None
    remarks: tuple[str, ...]


def widen(connection: duckdb.DuckDBPyConnection, arrangement: Arrangement) -> Wide:
    """Write the SQL of the wide tables of an arrangement."""
    first = arrangement.groups[0][0]
    if arrangement.layout == "long":
        return _pivoted(connection, first)
    if arrangement.layout in {"variables", "components"}:
        return _joined(connection, arrangement)
    kinds, remarks = _kinds([each for group in arrangement.groups for each in group])
    entity = None
    if arrangement.layout == "entities":
        entity = _free_name("entity", kinds)
    tables = [
        WideTable(
            name=each.table.file.name,
            sql=_select(each, kinds, time=first.name, entity=entity, value=name),
        )
        for group, name in zip(arrangement.groups, arrangement.names, strict=True)
        for each in group
    ]
    return Wide(tables=tuple(tables), time=first.name, entity=entity, remarks=tuple(remarks))


def _kinds(tables: Sequence[Timed]) -> tuple[dict[str, Kind], list[str]]:
    """Return the kind of each column over all tables; text where they differ."""
    kinds: dict[str, Kind] = {}
    remarks = []
    for timed in tables:
        for column in timed.features:
            before = kinds.get(column.name, "empty")
            if before in {"empty", column.kind}:
                kinds[column.name] = column.kind
            elif column.kind != "empty" and {before, column.kind} != {"number", "boolean"}:
                kinds[column.name] = "text"
                remarks.append(
                    f'column "{column.name}" is {before} in one file, {column.kind} in another'
                )
            elif column.kind != "empty":
                kinds[column.name] = "number"
    for name in [name for name, kind in kinds.items() if kind == "other"]:
        remarks.append(f'column "{name}" holds lists or objects: left out')
        del kinds[name]
    return kinds, list(dict.fromkeys(remarks))


def _select(
    timed: Timed,
    kinds: Mapping[str, Kind],
    *,
    time: str,
    entity: str | None = None,
    value: str = "",
    rename: Mapping[str, str] | None = None,
) -> str:
    """Write the SQL of one table: its time, its entity, its columns."""
    own = {column.name: column for column in timed.features}
    cells = [f"{timed.time} AS {identifier(time)}"]
    cells += [f"{sql_literal(value)} AS {identifier(entity)}"] if entity is not None else []
    for name, kind in kinds.items():
        if name in own:
            shown = (rename or {}).get(name, name)
            cells.append(f"{_value(own[name], kind)} AS {identifier(shown)}")
    return f"SELECT {', '.join(cells)} FROM {timed.table.relation} WHERE ({timed.time}) IS NOT NULL"


def _value(column: Column, kind: Kind) -> str:
    if column.plain:
        return column.sql
    if column.kind == "empty" and kind in {"text", "clock"}:
        return "CAST(NULL AS VARCHAR)"
    if kind in {"text", "clock"}:
        return f"CAST({column.sql} AS VARCHAR)"
    if column.kind != kind and kind in _STORED:
        return f"CAST({column.sql} AS {_STORED[kind]})"
    return column.sql


def _joined(connection: duckdb.DuckDBPyConnection, arrangement: Arrangement) -> Wide:
    """Join tables with different columns by time into one."""
    tables = [each for group in arrangement.groups for each in group]
    time = tables[0].name
    bucket, remarks = _bucket(connection, arrangement)
    if arrangement.layout == "variables":
        names = _distinct(arrangement.names, taken=time)
        parts = [
            f"SELECT {each.time} AS t, {place} AS n, "
            f"CAST({each.features[0].sql} AS DOUBLE) AS v FROM {each.table.relation} "
            f"WHERE ({each.time}) IS NOT NULL"
            for place, each in enumerate(tables)
        ]
        cells = [f"avg(v) FILTER (n = {n}) AS {identifier(name)}" for n, name in enumerate(names)]
        union = " UNION ALL ".join(parts)
    else:
        own = _own_names(arrangement)
        parts, cells = [], []
        for group, rename in zip(arrangement.groups, own, strict=True):
            kinds, more = _kinds(group)
            remarks += more
            parts += [_select(each, kinds, time="t", rename=rename) for each in group]
            for name, kind in kinds.items():
                shown = identifier(rename.get(name, name))
                merged = "avg" if kind in {"number", "empty"} and bucket != "t" else "max"
                cells.append(f"{merged}({shown}) AS {shown}")
        union = " UNION ALL BY NAME ".join(f"({part})" for part in parts)
    sql = (
        f"SELECT {bucket} AS {identifier(time)}, {', '.join(cells)} FROM ({union}) "
        "GROUP BY ALL ORDER BY 1"
    )
    return Wide(
        tables=(WideTable(name="table", sql=sql),), time=time, entity=None, remarks=tuple(remarks)
    )


def _bucket(
    connection: duckdb.DuckDBPyConnection, arrangement: Arrangement
) -> tuple[str, list[str]]:
    """Return the SQL of the time that rows are joined by; binned where clocks do not agree."""
    tables = [each for group in arrangement.groups for each in group]
    union = " UNION ALL ".join(
        f"SELECT {each.time} AS t FROM {each.table.relation}" for each in tables
    )
    (distinct,) = connection.execute(f"SELECT count(DISTINCT t) FROM ({union})").fetchone() or (0,)
    longest = max(sum(each.distinct for each in group) for group in arrangement.groups)
    step = max(each.step for each in tables)
    if distinct <= _SEPARATE * longest or step <= 0:
        return "t", []
    from aedetect.timestamps import round_duration

    text = round_duration(round(step * 1e9))
    micros = round(step * 1e6)
    return f"time_bucket(INTERVAL '{micros} microseconds', t)", [
        f"the files have rows at different times: joined in steps of {text}, the mean of each"
    ]


def _own_names(arrangement: Arrangement) -> list[dict[str, str]]:
    """Return new names of columns that several components have."""
    seen: dict[str, int] = {}
    for group in arrangement.groups:
        for name in {column.name for each in group for column in each.features}:
            seen[name.lower()] = seen.get(name.lower(), 0) + 1
    return [
        {
            column.name: f"{component}.{column.name}"
            for each in group
            for column in each.features
            if seen[column.name.lower()] > 1
        }
        for group, component in zip(arrangement.groups, arrangement.names, strict=True)
    ]


def _pivoted(connection: duckdb.DuckDBPyConnection, timed: Timed) -> Wide:
    """Turn a row a reading into a row a timestamp (and entity)."""
    found = long_columns(timed)
    assert found is not None, "the arrangement says so"
    name, value = (timed.table.column(each) for each in found)
    keys = [each for each in timed.features if each.kind == "text" and each.name != name.name]
    variables = connection.execute(
        f"SELECT DISTINCT {name.sql} AS n FROM {timed.table.relation} WHERE ({name.sql}) IS NOT "
        f"NULL ORDER BY n LIMIT {_MOST_VARIABLES}"
    ).fetchall()
    columns = [
        f"avg({value.sql}) FILTER (({name.sql}) = {sql_literal(each)}) AS {identifier(shown)}"
        for (each,), shown in zip(
            variables,
            _distinct([str(each) for (each,) in variables], taken=timed.name),
            strict=True,
        )
    ]
    cells = [f"{timed.time} AS {identifier(timed.name)}"]
    cells += [f"{each.sql} AS {identifier(each.name)}" for each in keys]
    sql = (
        f"SELECT {', '.join([*cells, *columns])} FROM {timed.table.relation} "
        f"WHERE ({timed.time}) IS NOT NULL GROUP BY ALL ORDER BY 1"
    )
    remark = f'{len(variables):,} variables in "{name.name}" became a column each'
    table = WideTable(name=timed.table.file.name, sql=sql)
    return Wide(tables=(table,), time=timed.name, entity=None, remarks=(remark,))


def _distinct(names: Sequence[str], *, taken: str) -> Iterator[str]:
    """Yield names that differ from each other and from the time, also without case."""
    used = {taken.lower()}
    for name in names:
        shown = _free_name(name, used)
        used.add(shown.lower())
        yield shown


def _free_name(name: str, used: Mapping[str, object] | set[str]) -> str:
    folded = {each.lower() for each in used}
    number, free = 1, name
    while free.lower() in folded:
        number += 1
        free = f"{name}_{number}"
    return free
