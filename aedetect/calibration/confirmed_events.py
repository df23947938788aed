"""Scores of confirmed events: rows known to be anomalous, for `fbeta`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.calibration.held_out import HeldOut
from aedetect.events import Label
from aedetect.events.labels import CONFIRMED
from aedetect.output import list_files
from aedetect.output.partitions import SCORES, Span
from aedetect.timestamps import to_nanoseconds

_COLUMNS = ["timestamp", "entity", "score"]


def with_confirmed(
    held_out: HeldOut,
    labels: Sequence[Label],
    output: Path,
    *,
    entities: Sequence[str | None],
) -> HeldOut:
    """Add the scored rows of confirmed events to the held-out ones, labelled anomalous.

    `entities` lists the names by code; it is empty when all rows are scaled together. Rows that are
    already held out do not change.
    """
    known = {name: code for code, name in enumerate(entities)}
    found = [
        _rows(table, each, known.get(each.entity, 0 if not entities else -1))
        for each in labels
        if each.opinion == CONFIRMED
        for table in _scored(output, each)
    ]
    if not found:
        return held_out
    joined = [held_out, *found]
    rows = HeldOut.of(
        np.concatenate([each.score for each in joined]),
        entity=np.concatenate([each.entity for each in joined]),
        time=np.concatenate([each.time for each in joined]),
        anomaly=np.concatenate([each.anomaly for each in joined]),
    )
    _, first = np.unique(np.stack([rows.entity, rows.time]), axis=1, return_index=True)
    return rows.take(np.sort(first))


def _scored(output: Path, label: Label) -> Iterator[pa.Table]:
    """Yield the scored rows of one event."""
    for file in list_files(output, SCORES, span=Span(label.start, label.end + 1)):
        table = file.read(_COLUMNS)
        same = pc.equal(table["entity"], label.entity) if label.entity else pc.is_null(table[1])
        time = to_nanoseconds(table["timestamp"])
        inside = pc.and_(pc.greater_equal(time, label.start), pc.less_equal(time, label.end))
        yield table.filter(pc.and_(pc.and_(same, inside), pc.is_valid(table["score"])))


def _rows(table: pa.Table, label: Label, code: int) -> HeldOut:
    assert label.opinion == CONFIRMED, "only confirmed events are known to be anomalous"
    time = to_nanoseconds(table["timestamp"]).to_numpy()
    return HeldOut.of(table["score"].to_numpy(), entity=code, time=time, anomaly=True)
