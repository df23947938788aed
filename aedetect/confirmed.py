"""Scores of the events that people confirmed: rows known to be anomalous, for `fbeta`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.feedback import CONFIRMED, Label
from aedetect.heldout import HeldOut
from aedetect.partition import SCORES, parse_folder

_COLUMNS = ["timestamp", "entity", "score"]


def with_confirmed(
    held_out: HeldOut,
    labels: Sequence[Label],
    output: Path,
    *,
    entities: Sequence[str | None],
) -> HeldOut:
    """Add the scored rows of confirmed events to the held-out ones, labelled anomalous.

    `entities` gives the names by code, none when all rows are scaled together. Rows that are held
    out already stay as they are.
    """
    confirmed = [each for each in labels if each.opinion == CONFIRMED]
    known = {name: code for code, name in enumerate(entities)}
    found = [
        _rows(batch, each, known.get(each.entity, 0 if not entities else -1))
        for each in confirmed
        for batch in _scored(output, each)
    ]
    rows = held_out
    for each in found:
        rows = rows.joined(each)
    _, first = np.unique(np.stack([rows.entity, rows.time]), axis=1, return_index=True)
    return rows.take(np.sort(first)) if found else held_out


def _scored(output: Path, label: Label) -> Iterator[pa.Table]:
    """Yield the scored rows of one event."""
    root = output / SCORES
    for path in sorted(root.rglob("*.parquet")):
        partition = parse_folder(str(path.parent.relative_to(root)))
        if partition is None or partition.start > label.end or partition.end <= label.start:
            continue
        with path.open("rb") as stream:
            table = pq.ParquetFile(stream).read(columns=_COLUMNS)
        same = pc.equal(table["entity"], label.entity) if label.entity else pc.is_null(table[1])
        moment = _nanoseconds(table["timestamp"])
        inside = pc.and_(pc.greater_equal(moment, label.start), pc.less_equal(moment, label.end))
        yield table.filter(pc.and_(pc.and_(same, inside), pc.is_valid(table["score"])))


def _rows(table: pa.Table, label: Label, code: int) -> HeldOut:
    assert label.opinion == CONFIRMED, "others are not known to be anomalous"
    time = _nanoseconds(table["timestamp"]).to_numpy()
    return HeldOut.of(table["score"].to_numpy(), entity=code, time=time, anomaly=True)


def _nanoseconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    return times.cast(pa.timestamp("ns", tz=times.type.tz)).cast(pa.int64())
