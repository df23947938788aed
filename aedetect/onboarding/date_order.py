"""Whether day or month comes first in dates: by all files together; what they cannot tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from aedetect.onboarding.time_formats import exchanged

if TYPE_CHECKING:
    import duckdb

    from aedetect.onboarding.tables import Column, Table

DateOrder = Literal["day-first", "month-first"]
_OTHER: dict[DateOrder, DateOrder] = {"day-first": "month-first", "month-first": "day-first"}
_Extents = dict["DateOrder", tuple[datetime, datetime]]


def order_dates(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], *, asked: DateOrder | None
) -> tuple[list[Table], tuple[str, ...]]:
    """Choose how ambiguous dates are read; also say which the files cannot tell.

    What is asked for counts; then files in which a day is over 12; then the shorter time, since
    days follow each other: read in the wrong order, they are months apart.
    """
    known = {_order(column) for table in tables for column in table.columns if _is_known(column)}
    chosen: dict[str, DateOrder] = {}
    doubts = []
    if asked and _OTHER[asked] in known:
        doubts.append(f"some dates can only be {_OTHER[asked]}, and are read so: --dates {asked}")
    for name in dict.fromkeys(column.name for table in tables for column in _unclear(table)):
        if asked or len(known) == 1:
            (chosen[name],) = {asked} if asked else known
            continue
        chosen[name], doubt = _by_length(name, _extents(connection, tables, name))
        doubts += [doubt] if doubt else []
    return [_ordered(table, chosen) for table in tables], tuple(doubts)


def _order(column: Column) -> DateOrder:
    form = column.form
    return "day-first" if form.index("%d") < form.index("%m") else "month-first"


def _is_known(column: Column) -> bool:
    """Whether the texts of a column tell the order, although others in its format may not."""
    return column.other is None and bool(column.form) and exchanged(column.form) is not None


def _unclear(table: Table) -> Iterator[Column]:
    return (column for column in table.columns if column.other is not None)


def _extents(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], name: str) -> _Extents:
    """Return the first and the last moment of a column in all files, in either order.

    Nothing where both orders give the same moments, as on the 3rd of March.
    """
    found: _Extents = {}
    differ = 0
    for table in tables:
        for column in _unclear(table):
            if column.name != name or column.other is None:
                continue
            one, other = column.sql, column.other.sql
            *ends, odd = (
                connection.execute(
                    f"SELECT min({one}), max({one}), min({other}), max({other}), "
                    f"count_if({one} <> {other}) FROM {table.relation}"
                ).fetchone()
                or (None,) * 5
            )
            differ += odd or 0
            for each, low, high in ((column, *ends[:2]), (column.other, *ends[2:])):
                first, last = found.get(_order(each), (low, high))
                found[_order(each)] = min(first, low), max(last, high)
    return found if differ else {}


def _by_length(name: str, extents: _Extents) -> tuple[DateOrder, str | None]:
    """Return the order in which the time is shorter, and how sure that is."""
    if not extents:
        return "day-first", None
    lengths = {order: (last - first).days + 1 for order, (first, last) in extents.items()}
    day, month = lengths["day-first"], lengths["month-first"]
    order: DateOrder = "month-first" if month < day else "day-first"
    first, last = extents[order]
    moment = last if last.day != last.month else first
    text = f"{moment:%d/%m/%Y}" if order == "day-first" else f"{moment:%m/%d/%Y}"
    why = "the files cannot tell"
    if day != month:
        why = f"they cover {min(day, month):,} days then, and {max(day, month):,} the other way"
    return order, (
        f'"{name}": day or month may come first; {text} is taken for {moment.day} {moment:%B}: '
        f"{why}; if that is wrong, init again with --dates {_OTHER[order]}"
    )


def _ordered(table: Table, chosen: dict[str, DateOrder]) -> Table:
    columns = []
    for column in table.columns:
        if column.other is not None and _order(column) != chosen[column.name]:
            columns.append(replace(column.other, other=None))
        else:
            columns.append(replace(column, other=None) if column.other else column)
    return replace(table, columns=tuple(columns))
