"""Rows that training distrusts -> stretches with their causes, and how to exclude them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int8
from aedetect.data.sql import identifier, sql_literal
from aedetect.events.grouping import group_rows
from aedetect.timestamps import NANOSECONDS, format_instant
from aedetect.training.trimming import JUDGED, Trimmed, squared_errors

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.data import Rows, Schema
    from aedetect.events.grouping import EventGroups
    from aedetect.preprocessing import Part, Preparation, Windows

_MAX_CAUSES = 3  # that a person is shown


@dataclass(frozen=True, kw_only=True)
class SuspectRows:
    """Rows that follow closely on each other and do not fit what the others taught."""

    entity: str | None
    start: str
    end: str
    rows: int
    part: str  # learn, validate, or calibrate, of which nothing is left out
    strangeness: float  # largest error of its rows, over that of the worst row that is kept
    causes: Mapping[str, float]  # share of the squared error by feature, largest first
    exclude: str  # SQL for all rows but these, as [data] normal takes it


def suspect_stretches(
    trimmed: Trimmed,
    windows: Mapping[Part, Windows],
    part: Int8,
    *,
    rows: Rows,
    schema: Schema,
    preparation: Preparation,
    bridge: int,
) -> tuple[SuspectRows, ...]:
    """Join strange rows of one entity and part that are at most `bridge` ns apart: (R,) of `Part`.

    Those with the most squared error in all come first: they would teach the network most.
    """
    chosen = np.flatnonzero(trimmed.strange)
    owner = rows.entity[chosen] * np.int32(len(JUDGED)) + part[chosen]
    found = group_rows(rows.time[chosen], owner, bridge=bridge)
    if not len(found):
        return ()
    shares = _shares(trimmed, windows, found, chosen, preparation)
    peaks = np.maximum.reduceat(trimmed.error[chosen], found.first) / max(trimmed.cut, 1e-12)
    names, said = np.array(schema.names), {each.value: each.name.lower() for each in JUDGED}
    listed = []
    weight = np.add.reduceat(trimmed.error[chosen], found.first)
    for index in np.argsort(-weight, kind="stable").tolist():  # stretches, not rows
        first, last = chosen[found.first[index]], chosen[found.last[index]]
        entity, span = rows.names[rows.entity[first]], (int(rows.time[first]), int(rows.time[last]))
        top = np.argsort(-shares[index], kind="stable")[:_MAX_CAUSES]
        listed.append(
            SuspectRows(
                entity=entity,
                start=_text(span[0]),
                end=_text(span[1]),
                rows=int(found.last[index] - found.first[index] + 1),
                part=said[int(part[first])],
                strangeness=float(peaks[index]),
                causes=dict(zip(names[top].tolist(), shares[index][top].tolist(), strict=True)),
                exclude=_all_but(schema, entity, span),
            )
        )
    return tuple(listed)


def normal_filter(found: tuple[SuspectRows, ...], *, normal: str | None) -> str:
    """Write the [data] normal that leaves these stretches out, beside what it left out already."""
    before = [f"({normal})"] if normal else []
    return " and ".join([*before, *(each.exclude for each in found)])


def _shares(
    trimmed: Trimmed,
    windows: Mapping[Part, Windows],
    found: EventGroups,
    chosen: Int64,
    preparation: Preparation,
) -> Float64:
    """Return each feature's share of a stretch's squared error: (S, F)."""
    stretch = np.full(len(trimmed.strange), -1)
    stretch[chosen] = np.repeat(np.arange(len(found)), found.last - found.first + 1)
    columns = np.zeros((len(found), len(preparation.owner)))
    for each in JUDGED:
        for ends, squared, _ in squared_errors(trimmed.fitted.model, windows[each]):
            for step in range(windows[each].length):
                own = stretch[ends - (windows[each].length - 1) + step]
                np.add.at(columns, own[own >= 0], squared[own >= 0, step])
    first = preparation.first_columns
    totals = np.add.reduceat(columns, first, axis=1)
    return np.asarray(totals / np.maximum(totals.sum(axis=1, keepdims=True), 1e-300))


def _all_but(schema: Schema, entity: str | None, span: tuple[int, int]) -> str:
    """Write the SQL for all rows outside of a span (ns, both ends inside) of an entity."""
    start, end = (sql_literal(_text(moment)) for moment in span)
    condition = f"{identifier(schema.timestamp)} between {start} and {end}"
    if schema.entity is not None and entity is not None:
        condition = f"{identifier(schema.entity)} = {sql_literal(entity)} and {condition}"
    return f"not ({condition})"


def _text(moment: int) -> str:
    """Write a moment (ns) in UTC or the table's own clock, with as much of a second as counts."""
    fraction = moment % NANOSECONDS["s"]
    return format_instant(moment) + (f".{fraction:09d}".rstrip("0") if fraction else "")
