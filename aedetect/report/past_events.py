"""Past events whose causes are most like those of an event, and what people said of them.

Two events are alike when the same columns are to blame, to the same side: the cosine of their
shares, with the sign of the deviation. Only events/ is read, so that it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Float64
from aedetect.output import list_files
from aedetect.output.partitions import EVENTS, Span
from aedetect.report.cards import PastEvent
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    from aedetect.events import Label
    from aedetect.report.cards import Card
    from aedetect.wall_clock import WallClock

_MAX_EVENTS = 2_000  # the newest, that are looked through
_MAX_SHOWN = 3
_ALIKE = 0.8  # cosine, of events that are shown
_COLUMNS = ["event_id", "entity", "start", "causes", "suppressed"]


def add_past_events(
    output: Path, cards: Sequence[Card], labels: Sequence[Label], clock: WallClock
) -> list[Card]:
    """Return the cards with the earlier events that are most like theirs, labelled ones first."""
    if not cards:
        return []
    table = _newest(output, until=max(each.start for each in cards))
    columns: dict[str, int] = {}
    rows, at = [], []
    for causes in table["causes"].to_pylist():
        found = _signed(causes)
        rows.append([columns.setdefault(name, len(columns)) for name in found])
        at.append(list(found.values()))
    matrix = np.zeros((len(rows), len(columns)))
    for row, (places, values) in enumerate(zip(rows, at, strict=True)):
        matrix[row, places] = values
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    ids, starts = table["event_id"].to_pylist(), to_nanoseconds(table["start"]).to_numpy()
    entities, place = table["entity"].to_pylist(), {name: row for row, name in enumerate(ids)}
    said = {each.event_id: each for each in labels}
    done = []
    for card in cards:
        own = place.get(card.event.event_id)
        if own is None:
            done.append(card)
            continue
        alike: Float64 = np.where(starts < card.start, matrix @ matrix[own], 0.0)
        order = [row for row in np.argsort(-alike, kind="stable").tolist() if alike[row] >= _ALIKE]
        order = sorted(order, key=lambda row: ids[row] not in said)[:_MAX_SHOWN]
        past = tuple(
            PastEvent(
                event_id=ids[row],
                entity=entities[row],
                start=clock.format(int(starts[row])),
                likeness=float(alike[row]),
                said=said.get(ids[row]),
            )
            for row in order
        )
        done.append(replace(card, past=past))
    return done


def _newest(output: Path, *, until: int) -> pa.Table:
    """Read the newest reported events that begin up to a time (ns)."""
    tables: list[pa.Table] = []
    for file in reversed(list_files(output, EVENTS, span=Span(None, until + 1))):
        table = file.read(_COLUMNS)
        tables.append(table.filter(pc.is_null(table["suppressed"])))
        if sum(map(len, tables)) >= _MAX_EVENTS:
            break
    return pa.concat_tables(tables, promote_options="permissive")


def _signed(causes: Sequence[Mapping[str, Any]] | None) -> dict[str, float]:
    """Return the share of each column, negative where it was below what is expected."""
    found: dict[str, float] = {}
    for each in causes or ():
        observed, expected = each["observed"], each["expected"]
        below = observed is not None and expected is not None and observed < expected
        found[each["feature"]] = -each["share"] if below else each["share"]
    return found
