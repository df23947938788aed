"""Suspect training rows -> segments with their causes, and the filter that excludes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float64, Int8
from aedetect.data.scan import identifier, sql_literal
from aedetect.events.grouping import group_rows
from aedetect.logs import log_event
from aedetect.timestamps import NANOSECONDS, format_instant
from aedetect.training.trimming import EVALUATED_PARTS, Trimmed, squared_errors

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.data import Rows, Schema
    from aedetect.events.grouping import EventGroups
    from aedetect.preprocessing import Part, Preparation, Windows

logger = logging.getLogger(__name__)

_LOGGED = 10  # segments at most
_MAX_CAUSES = 3  # reported per segment


@dataclass(frozen=True, kw_only=True)
class SuspectRows:
    """A segment of consecutive rows that do not fit the rest of the training data."""

    entity: str | None
    start: str
    end: str
    rows: int
    part: str  # learn, validate, or calibrate; nothing is excluded from the last
    strangeness: float  # largest error of its rows, relative to the largest error kept
    causes: Mapping[str, float]  # share of the squared error by feature, largest first
    exclude: str  # SQL condition for all other rows, for [data] normal


def find_suspect_rows(
    trimmed: Trimmed,
    windows: Mapping[Part, Windows],
    part: Int8,
    *,
    rows: Rows,
    schema: Schema,
    preparation: Preparation,
    merge_gap: int,
) -> tuple[SuspectRows, ...]:
    """Join suspect rows of one entity and part at most `merge_gap` ns apart: (R,) of `Part`.

    Segments are sorted by total squared error, which is their influence on training.
    """
    chosen = np.flatnonzero(trimmed.suspect)
    owner = rows.entity[chosen] * np.int32(len(EVALUATED_PARTS)) + part[chosen]
    found = group_rows(rows.time[chosen], owner, merge_gap=merge_gap)
    if not len(found):
        return ()
    shares = _shares(trimmed, windows, found, chosen, preparation)
    peaks = np.maximum.reduceat(trimmed.error[chosen], found.first) / max(trimmed.cut, 1e-12)
    names, part_names = (
        np.array(schema.names),
        {each.value: each.name.lower() for each in EVALUATED_PARTS},
    )
    listed = []
    weight = np.add.reduceat(trimmed.error[chosen], found.first)
    for index in np.argsort(-weight, kind="stable").tolist():  # segments, not rows
        first, last = chosen[found.first[index]], chosen[found.last[index]]
        entity, span = rows.names[rows.entity[first]], (int(rows.time[first]), int(rows.time[last]))
        top = np.argsort(-shares[index], kind="stable")[:_MAX_CAUSES]
        listed.append(
            SuspectRows(
                entity=entity,
                start=schema.clock.format(span[0]),
                end=schema.clock.format(span[1]),
                rows=int(found.last[index] - found.first[index] + 1),
                part=part_names[int(part[first])],
                strangeness=float(peaks[index]),
                causes=dict(zip(names[top].tolist(), shares[index][top].tolist(), strict=True)),
                exclude=_all_but(schema, entity, span),
            )
        )
    return tuple(listed)


def log_suspect_rows(found: tuple[SuspectRows, ...]) -> None:
    """Log the first segments, those with the largest influence."""
    for each in found[:_LOGGED]:
        log_event(
            logger,
            "distrusted",
            entity=each.entity,
            start=each.start,
            end=each.end,
            rows=each.rows,
            part=each.part,
            causes=", ".join(each.causes),
        )


def normal_filter(found: tuple[SuspectRows, ...], *, normal: str | None) -> str:
    """Return the value of [data] normal that also excludes these segments."""
    before = [f"({normal})"] if normal else []
    return " and ".join([*before, *(each.exclude for each in found)])


def _shares(
    trimmed: Trimmed,
    windows: Mapping[Part, Windows],
    found: EventGroups,
    chosen: Int64,
    preparation: Preparation,
) -> Float64:
    """Return the share of each feature in the squared error of each segment: (S, F)."""
    segment = np.full(len(trimmed.suspect), -1)
    segment[chosen] = np.repeat(np.arange(len(found)), found.last - found.first + 1)
    columns = np.zeros((len(found), len(preparation.owner)))
    for each in EVALUATED_PARTS:
        for ends, squared, _ in squared_errors(trimmed.fitted.model, windows[each]):
            for step in range(windows[each].length):
                own = segment[ends - (windows[each].length - 1) + step]
                np.add.at(columns, own[own >= 0], squared[own >= 0, step])
    first = preparation.first_columns
    totals = np.add.reduceat(columns, first, axis=1)
    return np.asarray(totals / np.maximum(totals.sum(axis=1, keepdims=True), 1e-300))


def _all_but(schema: Schema, entity: str | None, span: tuple[int, int]) -> str:
    """Return the SQL condition for all rows outside a closed interval (ns) of an entity."""
    start, end = (sql_literal(_text(time)) for time in span)
    condition = f"{identifier(schema.timestamp)} between {start} and {end}"
    if schema.entity is not None and entity is not None:
        condition = f"{identifier(schema.entity)} = {sql_literal(entity)} and {condition}"
    return f"not ({condition})"


def _text(time: int) -> str:
    """Format a timestamp (ns) as `[data] normal` reads it, with the fraction if any: in UTC."""
    fraction = time % NANOSECONDS["s"]
    return format_instant(time) + (f".{fraction:09d}".rstrip("0") if fraction else "")
