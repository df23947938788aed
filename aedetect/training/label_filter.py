"""Labelled events -> which rows are learnt from: SQL added to the query that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aedetect.data import Query
from aedetect.data.sql import bounds, identifier, sql_literal
from aedetect.events import Label
from aedetect.events.labels import CONFIRMED, FALSE_ALARM
from aedetect.training.settings import FalseAlarms

if TYPE_CHECKING:
    from aedetect.data import Source, SourceFile

_TICK = 1_000  # ns; what SQL can tell apart: the last row of an event belongs to it


def apply_labels(
    query: Query, labels: Sequence[Label], *, arrived: Source | None, false_alarms: FalseAlarms
) -> Query:
    """Leave the rows of confirmed events out, and treat those of false alarms as asked.

    With "exclude" they are left out too. With "normal" they join, with the rows that they are
    judged from: those of the training files whatever the filter says, and those of files that
    `arrived` to be scored.
    """
    if not labels:
        return query
    confirmed = [each for each in labels if each.opinion == CONFIRMED]
    false = [each for each in labels if each.opinion == FALSE_ALARM]
    if false_alarms == "exclude":
        return replace(query, where=_where(query, [], [*confirmed, *false], joined=()))
    joined = _meeting(query, arrived, false)
    where = _where(query, false, confirmed, joined=joined)
    return replace(query, files=(*query.files, *joined), where=where)


def _meeting(
    query: Query, arrived: Source | None, labels: Sequence[Label]
) -> tuple[SourceFile, ...]:
    """Return the files that arrived, are not learnt from anyway, and can hold labelled rows."""
    known = {file.path for file in query.files}
    needed = {query.timestamp, *query.categories} | ({query.entity} if query.entity else set())
    return tuple(
        file
        for file in (arrived.files if arrived else ())
        if file.path not in known
        and file.times is not None
        and needed <= set(file.columns)
        and any(
            file.times.first <= each.end and file.times.last >= each.start - each.context
            for each in labels
        )
    )


def _where(
    query: Query,
    wanted: Sequence[Label],
    unwanted: Sequence[Label],
    *,
    joined: Sequence[SourceFile],
) -> str:
    """Write the SQL condition over the training files and those that join."""
    inside = _any(query, wanted)
    base = f"coalesce({query.where}, FALSE)" if query.where else "TRUE"
    condition = f"({base} OR {inside})"
    if joined:
        paths = ", ".join(sql_literal(file.path) for file in joined)
        condition = f"(({condition} AND _file NOT IN ({paths})) OR {inside})"
    return f"{condition} AND NOT {_any(query, unwanted, context=False)}"


def _any(query: Query, labels: Sequence[Label], *, context: bool = True) -> str:
    """Write the SQL for rows of any of the events, with those that they are judged from."""
    entity = f"CAST({identifier(query.entity)} AS VARCHAR)" if query.entity else "NULL"
    conditions = []
    for each in labels:
        name = "NULL" if each.entity is None else sql_literal(each.entity)
        start = each.start - (each.context if context else 0)
        limits = bounds(query.files[0], query.timestamp, start=start, end=each.end + _TICK)
        conditions.append(" AND ".join((f"{entity} IS NOT DISTINCT FROM {name}", *limits)))
    return f"({' OR '.join(f'({each})' for each in conditions)})" if conditions else "FALSE"
