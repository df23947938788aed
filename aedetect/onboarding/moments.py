"""The time column of a table: which one it is, and when its rows are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from aedetect.data.schema import suggest_nearest
from aedetect.errors import SchemaMismatch
from aedetect.wording import list_some

if TYPE_CHECKING:
    import duckdb

    from aedetect.onboarding.tables import Column, Table

_NAMED_TIME = re.compile(
    r"(^|[_\W])(time|timestamp|datetime|date|ts|zeit|datum|zeitstempel|epoch|unixtime|t)([_\W]|$)"
    r"|timestamp|datetime|date_time|zeitpunkt|eventtime",
    re.IGNORECASE,
)
ENTITY = re.compile(
    r"(^|[_\W])(id|entity|machine|unit|asset|device|sensor|pump|server|host|site|line|station|"
    r"turbine|engine|equipment|plant|component|node|vehicle|well|meter|service|instance|channel|"
    r"anlage|maschine|standort|pumpe|aggregat|geraet|gerät)([_\W]?(id|name|no|nr|key|tag))?([_\W]|$)|_id$|id$",
    re.IGNORECASE,
)
_NOT_OF_THE_ROW = re.compile(r"creat|updat|modif|insert|ingest|load|start|end|birth", re.IGNORECASE)
_EPOCHS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": -1_000}  # microseconds of one; -: divided
_FIRST, _LAST = 631_152_000, 4_102_444_800  # 1990 and 2100 in seconds
_STEPS = 10_000


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A table with its time column; `time` is SQL in the relation of the table."""

    table: Table
    name: str
    time: str
    how: str
    aware: bool
    plain: bool  # whether it is a timestamp in the file as it stands
    first: datetime
    last: datetime
    rows: int  # with a timestamp
    distinct: int
    step: float  # seconds, median
    others: tuple[str, ...] = ()  # columns that could be it, too

    @property
    def features(self) -> tuple[Column, ...]:
        """All columns but the time column."""
        return tuple(column for column in self.table.columns if column.name != self.name)


def find_time(
    connection: duckdb.DuckDBPyConnection, table: Table, *, asked: str | None = None
) -> Timed | None:
    """Return a table with its time column; None if no column can be it.

    Raises SchemaMismatch when the one that is asked for is none.
    """
    candidates = [
        found for column in table.columns if (found := _as_time(connection, table, column))
    ]
    joined = list(_date_and_clock(connection, table, candidates))
    whole = {each.name for each in joined}
    candidates = [*joined, *(each for each in candidates if each.name not in whole)]
    if asked is not None:
        if asked not in table.names:
            near = suggest_nearest(asked, table.names)
            raise SchemaMismatch(f'{table.file.name} has no column "{asked}"{near}')
        candidates = [each for each in candidates if each.name == asked]
        if not candidates:
            raise SchemaMismatch(
                f'column "{asked}" of {table.file.name} holds no timestamps that are known: write '
                "them as 2026-03-01T06:00:00"
            )
    candidates.sort(key=_rank)
    for place, chosen in enumerate(candidates):
        if timed := _measured(connection, table, chosen):
            rest = tuple(each.name for each in candidates[place + 1 :])
            return replace(timed, others=rest)
    return None


def no_time(table: Table) -> SchemaMismatch:
    """Return the error of a table in which no column is a timestamp."""
    names = list_some((f'"{column.name}"' for column in table.columns), most=12)
    return SchemaMismatch(
        f"{table.file.name} has no column with timestamps, but {names}: name one with --timestamp, "
        "or write them as 2026-03-01T06:00:00"
    )


@dataclass(frozen=True)
class _Candidate:
    name: str
    sql: str
    how: str
    plain: bool


def _rank(candidate: _Candidate) -> tuple[bool, bool]:
    name = candidate.name
    return bool(_NOT_OF_THE_ROW.search(name)), not _NAMED_TIME.search(name)


def _as_time(
    connection: duckdb.DuckDBPyConnection, table: Table, column: Column
) -> _Candidate | None:
    """Return a column as timestamps; numbers only when their name says so."""
    if column.kind == "time":
        how = f"text, {column.how}" if column.how else "timestamps"
        return _Candidate(column.name, column.sql, how, column.plain)
    if column.kind != "number" or not _NAMED_TIME.search(column.name):
        return None
    found = connection.execute(
        f"SELECT min({column.sql}), max({column.sql}) FROM {table.relation}"
    ).fetchone()
    low, high = found or (None, None)
    if low is None or high is None:
        return None
    for unit, micro in _EPOCHS.items():
        scale = 1_000_000 / micro if micro > 0 else 1_000_000_000
        if _FIRST * scale <= low <= high <= _LAST * scale:
            product = f"{column.sql} * {micro}" if micro > 0 else f"{column.sql} / {-micro}"
            sql = f"make_timestamptz(CAST({product} AS BIGINT))"
            return _Candidate(column.name, sql, f"numbers, {unit} since 1970 (UTC)", plain=False)
    return None


def _date_and_clock(
    connection: duckdb.DuckDBPyConnection, table: Table, found: list[_Candidate]
) -> Iterator[_Candidate]:
    """Yield a column of dates, always at midnight, joined with the one column of times of day."""
    clocks = [column for column in table.columns if column.kind == "clock"]
    for date in found if len(clocks) == 1 else ():
        late = connection.execute(
            f"SELECT 1 FROM {table.relation} WHERE ({date.sql})::TIMESTAMP <> ({date.sql})::DATE "
            "LIMIT 1"
        ).fetchone()
        if late is None:
            yield _Candidate(
                date.name,
                f"(CAST({date.sql} AS DATE) + {clocks[0].sql})",
                f'dates in "{date.name}" and times of day in "{clocks[0].name}"',
                plain=False,
            )


def _measured(
    connection: duckdb.DuckDBPyConnection, table: Table, chosen: _Candidate
) -> Timed | None:
    """Return the time range, or None where hardly any row has a timestamp."""
    sql = chosen.sql
    found = connection.execute(
        f"SELECT min(t), max(t), count(t), count(DISTINCT t), any_value(typeof(t)) "
        f"FROM (SELECT {sql} AS t FROM {table.relation})"
    ).fetchone()
    assert found is not None, "an aggregate has a row"
    first, last, rows, distinct, kind = found
    if not rows or rows < 0.5 * table.rows:
        return None
    step = connection.execute(
        "SELECT epoch(median(d)) FROM (SELECT t - lag(t) OVER (ORDER BY t) AS d FROM (SELECT "
        f"DISTINCT {sql} AS t FROM {table.relation} WHERE ({sql}) IS NOT NULL ORDER BY t "
        f"LIMIT {_STEPS}))"
    ).fetchone()
    return Timed(
        table=table,
        name=chosen.name,
        time=sql,
        how=chosen.how,
        aware="WITH TIME ZONE" in str(kind),
        plain=chosen.plain,
        first=_plain(first),
        last=_plain(last),
        rows=int(rows),
        distinct=int(distinct),
        step=float(step[0] or 0) if step else 0.0,
    )


def _plain(moment: object) -> datetime:
    """Return a date or date-time without a zone; those with one are in UTC."""
    if not isinstance(moment, datetime):
        return datetime.fromisoformat(str(moment))
    return moment.replace(tzinfo=None)
