"""Flagged rows -> events: stretches of one entity in which flags follow closely on each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from aedetect.errors import NoData
from aedetect.ingest import Int
from aedetect.partition import FLAGGED
from aedetect.schema import kind_of
from aedetect.sink import read_origin

MAX_CAUSES = 3  # that a person is shown


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One feature's part in an event, as observed and expected at its peak."""

    feature: str
    share: float
    observed: float | None
    expected: float | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Flags of one entity that follow closely on each other."""

    entity: str | None
    start: str
    end: str
    rows: int
    peak_timestamp: str
    peak_score: float
    threshold: float
    severity: str  # of the peak
    causes: tuple[Cause, ...]  # of the peak, largest first


@dataclass(frozen=True)
class Flagged:
    """Flagged rows, and how far apart two of one stretch may be (ns)."""

    rows: pa.Table
    bridge: int


def read_flagged(output: Path, *, since: int | None = None, until: int | None = None) -> Flagged:
    """Read flagged rows in [since, until) ns. Raises NoData when nothing was scored yet."""
    root = output / FLAGGED
    written = sorted(root.rglob("*.parquet"))
    if not written:
        raise NoData(f"there are no scores in {output}: run aedetect score first")
    dataset = ds.dataset(root, format="parquet", exclude_invalid_files=False)
    kind = dataset.schema.field("timestamp").type
    condition = pc.scalar(True)  # noqa: FBT003
    if since is not None:
        condition &= pc.field("timestamp") >= _moment(since, kind)
    if until is not None:
        condition &= pc.field("timestamp") < _moment(until, kind)
    return Flagged(dataset.to_table(filter=condition), read_origin(written[-1]).max_gap)


def group(flagged: Flagged) -> list[Event]:
    """Group flagged rows that are close enough into events, the highest peak first."""
    if not flagged.rows.num_rows:
        return []
    table = flagged.rows.sort_by(
        [("entity", "ascending"), ("timestamp", "ascending")]
    ).combine_chunks()
    time = _nanoseconds(table["timestamp"])
    entity = (
        table["entity"]
        .combine_chunks()
        .dictionary_encode(null_encoding="encode")
        .indices.to_numpy()
    )
    breaks = np.ones(len(time), dtype=np.bool_)
    breaks[1:] = (entity[1:] != entity[:-1]) | (np.diff(time) > flagged.bridge)
    first = np.flatnonzero(breaks)
    last = np.append(first[1:], len(time)) - 1
    score = table["score"].to_numpy()
    peaks = np.array([a + np.argmax(score[a : b + 1]) for a, b in zip(first, last, strict=True)])
    events = _events(table, first, last, peaks)
    return sorted(events, key=lambda event: -event.peak_score / event.threshold)


def _events(table: pa.Table, first: Int, last: Int, peaks: Int) -> list[Event]:
    at_peak = table.take(pa.array(peaks)).to_pylist()
    times = table["timestamp"]
    return [
        Event(
            entity=peak["entity"],
            start=_text(times[int(a)].as_py()),
            end=_text(times[int(b)].as_py()),
            rows=int(b - a + 1),
            peak_timestamp=_text(peak["timestamp"]),
            peak_score=peak["score"],
            threshold=peak["threshold"],
            severity=peak["severity"],
            causes=tuple(Cause(**cause) for cause in peak["causes"][:MAX_CAUSES]),
        )
        for a, b, peak in zip(first, last, at_peak, strict=True)
    ]


def _nanoseconds(times: pa.ChunkedArray) -> Int:
    assert kind_of(times.type) == "time", "flagged rows have timestamps"
    return np.asarray(times.cast(pa.timestamp("ns", tz=times.type.tz)).cast(pa.int64()).to_numpy())


def _moment(nanoseconds: int, kind: pa.DataType) -> pa.Scalar:
    return (
        pa.scalar(nanoseconds, pa.int64())
        .cast(pa.timestamp("ns", tz=kind.tz))
        .cast(kind, safe=False)
    )


def _text(moment: object) -> str:
    return str(moment).removesuffix(".000000")
