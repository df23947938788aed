"""The columns of events/, and events as people and programs see them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from aedetect.errors import NoData
from aedetect.output import Partition, list_files
from aedetect.output.atomic import PART
from aedetect.output.catalog import list_event_files
from aedetect.output.files import read_parquet
from aedetect.output.partitions import EVENTS, FLAGGED, Span

MAX_CAUSES = 3  # that a person is shown
WITHDRAWN = "withdrawn"  # folder of the events that were written once and are no more
_ID_BYTES = 6


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

    event_id: str
    entity: str | None
    start: str
    end: str
    rows: int  # flagged
    peak_timestamp: str
    peak_score: float
    threshold: float  # at the peak
    p_value: float  # the smallest
    severity: str  # the highest
    causes: tuple[Cause, ...]  # of the peak, the largest first
    text: str
    suppressed: str | None  # why it is kept quiet
    model_name: str
    model_version: int
    calibration_version: int


@dataclass(frozen=True, kw_only=True)
class EventChanges:
    """What became of events in a run: new ones, others than they were, and gone ones."""

    new: tuple[Event, ...] = ()
    changed: tuple[Event, ...] = ()
    withdrawn: tuple[Event, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many of each there are."""
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}


def event_id(detector: str, entity: str | None, start: int) -> str:
    """Name an event by its detector, its entity and its first moment (ns).

    >>> event_id("pump", "east", 0)
    '9d4c75182b21'
    """
    words = json.dumps([detector, entity, start]).encode()
    return hashlib.blake2b(words, digest_size=_ID_BYTES).hexdigest()


def as_events(table: pa.Table) -> Iterator[Event]:
    """Turn rows of events/ into events, in their order."""
    for row in table.to_pylist():
        causes = tuple(Cause(**cause) for cause in (row["causes"] or ())[:MAX_CAUSES])
        moments = {name: _text(row[name]) for name in ("start", "end", "peak_timestamp")}
        yield Event(**{**row, **moments, "causes": causes})


def compare_events(
    old: Mapping[Partition, pa.Table], new: Mapping[Partition, pa.Table]
) -> tuple[EventChanges, list[pa.Table]]:
    """Say how events of some partitions differ from those before; also return the gone ones.

    An event stays in its partition: its name and its place both follow from its start.
    """
    found: dict[str, list[Event]] = {"new": [], "changed": [], "withdrawn": []}
    vanished = []
    for partition in sorted(old.keys() | new.keys()):
        before, after = old.get(partition), new.get(partition)
        # By what they print as: NaN is not equal to itself.
        was = {} if before is None else {row["event_id"]: repr(row) for row in before.to_pylist()}
        names = [] if after is None else after["event_id"].to_pylist()
        if after is not None:
            for event, row in zip(as_events(after), after.to_pylist(), strict=True):
                if was.get(event.event_id) != repr(row):
                    found["changed" if event.event_id in was else "new"].append(event)
        if before is not None and was.keys() - set(names):
            gone = before.filter(
                pc.invert(pc.is_in(before["event_id"], pa.array(names, pa.string())))
            )
            vanished.append(gone)
            found["withdrawn"] += as_events(gone)
    return EventChanges(**{kind: tuple(events) for kind, events in found.items()}), vanished


def read_event_table(
    output: Path, *, since: int | None = None, until: int | None = None, suppressed: bool = False
) -> pa.Table:
    """Read the events that reach into [since, until) ns, the strangest first.

    What is kept quiet is left out unless asked for. Raises NoData when nothing was scored yet.
    """
    files = list_event_files(output, Span(since, until))
    tables = [_chosen(file.read(), since, until, suppressed=suppressed) for file in files]
    return _ordered(tables or [_no_events(output)])


def read_withdrawn(
    output: Path, *, since: int | None = None, until: int | None = None
) -> pa.Table | None:
    """Read the events that were written once and are no more; None when there never were any."""
    path = output / WITHDRAWN / PART
    if not path.exists():
        return None
    return _ordered([_chosen(read_parquet(path), since, until, suppressed=True)])


def _no_events(output: Path) -> pa.Table:
    """Return the columns of events/ without a row; raise NoData where nothing was scored yet."""
    files = list_files(output, EVENTS)
    if not files:
        missing = "events" if list_files(output, FLAGGED) else "scores"
        raise NoData(f"there are no {missing} in {output}: run aedetect score first")
    return files[-1].schema().empty_table()


def _chosen(table: pa.Table, since: int | None, until: int | None, *, suppressed: bool) -> pa.Table:
    """Take the events that reach into [since, until) ns."""
    kind = table.schema.field("start").type
    if since is not None:
        table = table.filter(pc.greater_equal(table["end"], _moment(since, kind)))
    if until is not None:
        table = table.filter(pc.less(table["start"], _moment(until, kind)))
    return table if suppressed else table.filter(pc.is_null(table["suppressed"]))


def _ordered(tables: Sequence[pa.Table]) -> pa.Table:
    """Join events, the strangest first."""
    joined = pa.concat_tables(tables, promote_options="permissive")
    times = pc.divide(pc.cast(joined["peak_score"], pa.float64()), joined["threshold"])
    names = ("p_value", "start", "event_id")
    keys = pa.table({"times": times, **{name: joined[name] for name in names}})
    # Rarer is stranger, and comparable between entities, which scores are not.
    order = [("p_value", "ascending"), ("times", "descending")]
    order += [("start", "ascending"), ("event_id", "ascending")]
    return joined.take(pc.sort_indices(keys, order))


def _moment(nanoseconds: int, kind: pa.DataType) -> pa.Scalar:
    """Return a moment as a type of timestamps, cut to its unit."""
    return (
        pa.scalar(nanoseconds, pa.int64())
        .cast(pa.timestamp("ns", tz=kind.tz))
        .cast(kind, safe=False)
    )


def _text(moment: object) -> str:
    return str(moment).removesuffix(".000000")
