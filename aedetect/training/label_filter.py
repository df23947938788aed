"""Labelled events -> selection of training rows, as SQL added to the query that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aedetect.data import Query
from aedetect.data.scan import ENTITY, FILE, sql_literal
from aedetect.data.sql import within
from aedetect.events import Label
from aedetect.events.labels import CONFIRMED, FALSE_ALARM
from aedetect.training.settings import FalseAlarms

if TYPE_CHECKING:
    from aedetect.data import Source, SourceFile

_TICK = 1_000  # ns; resolution of SQL timestamps: the last row of an event is included


def apply_labels(
    query: Query, labels: Sequence[Label], *, arrived: Source | None, false_alarms: FalseAlarms
) -> Query:
    """Exclude the rows of confirmed events, and treat those of false alarms as configured.

    With "exclude", rows of false alarms are excluded too. With "normal", they are added together
    with the rows of their windows: from the training files regardless of `[data] normal`, and from
    files that `arrived` for scoring.
    """
    if not labels:
        return query
    confirmed = [each for each in labels if each.opinion == CONFIRMED]
    false = [each for each in labels if each.opinion == FALSE_ALARM]
    if false_alarms == "exclude":
        return replace(query, where=_where(query, [], [*confirmed, *false], added=()))
    added = _overlapping_files(query, arrived, false)
    where = _where(query, false, confirmed, added=added)
    return replace(query, files=(*query.files, *added), where=where)


def _overlapping_files(
    query: Query, arrived: Source | None, labels: Sequence[Label]
) -> tuple[SourceFile, ...]:
    """Return the arrived files that are not training files and may contain labelled rows."""
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
    added: Sequence[SourceFile],
) -> str:
    """Return the SQL condition for the training files and the added files."""
    inside = _any(wanted)
    base = f"coalesce({query.where}, FALSE)" if query.where else "TRUE"
    condition = f"({base} OR {inside})"
    if added:  # they come after those that are learnt from
        condition = f"(({condition} AND {FILE} < {len(query.files)}) OR {inside})"
    return f"{condition} AND NOT {_any(unwanted, context=False)}"


def _any(labels: Sequence[Label], *, context: bool = True) -> str:
    """Return the SQL condition for rows of any of the events, with the context of their windows."""
    conditions = []
    for each in labels:
        name = "NULL" if each.entity is None else sql_literal(each.entity)
        start = each.start - (each.context if context else 0)
        limits = within(start, each.end + _TICK)
        conditions.append(f"{ENTITY} IS NOT DISTINCT FROM {name} AND {limits}")
    return f"({' OR '.join(f'({each})' for each in conditions)})" if conditions else "FALSE"
