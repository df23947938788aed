"""Read, compare and order events."""

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
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import to_nanoseconds
from aedetect.wall_clock import WallClock, known_zone

MAX_CAUSES = 3  # shown per event
WITHDRAWN = "withdrawn"  # folder of events that were written and no longer exist
_ID_BYTES = 6


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The share of one feature in an event, with its values where it is to blame most."""

    feature: str
    share: float
    observed: float | None
    expected: float | None
    unusual: str | None = None  # in itself, or given the others; None: written before it was said


@dataclass(frozen=True, kw_only=True)
class Event:
    """Consecutive flagged rows of one entity."""

    event_id: str
    incident_id: str | None = None  # the id of the first of the events that began together
    entity: str | None
    start: str
    end: str
    rows: int  # number of flagged rows
    peak_timestamp: str
    peak_score: float
    threshold: float  # at the peak
    p_value: float  # the smallest
    strength: float | None = None  # 1: three of four events on held-out rows are weaker
    severity: str
    causes: tuple[Cause, ...]  # of the whole event, the largest first
    text: str
    suppressed: str | None  # the reason; None: reported
    model_name: str
    model_version: int
    calibration_version: int


@dataclass(frozen=True, kw_only=True)
class EventChanges:
    """The events that a run added, changed and withdrew."""

    new: tuple[Event, ...] = ()
    changed: tuple[Event, ...] = ()
    withdrawn: tuple[Event, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The number of events of each kind."""
        return {each.name: len(getattr(self, each.name)) for each in fields(self)}


def event_id(detector: str, entity: str | None, start: int) -> str:
    """Return the id of an event, from its detector, entity and start (ns).

    >>> event_id("pump", "east", 0)
    '9d4c75182b21'
    """
    words = json.dumps([detector, entity, start]).encode()
    return hashlib.blake2b(words, digest_size=_ID_BYTES).hexdigest()


def as_events(table: pa.Table, zone: str | None = None) -> Iterator[Event]:
    """Convert rows of events/ to events, in the same order.

    Times are ISO 8601, in the given zone or that of the table, with the offset if there is a zone.
    """
    own = table.schema.field("start").type.tz
    clock = WallClock(zone or known_zone(own), aware=own is not None)
    columns = ("start", "end", "peak_timestamp")
    times = [[clock.iso(t) for t in to_nanoseconds(table[n]).to_pylist()] for n in columns]
    rest = table.drop_columns(list(columns)).to_pylist()
    for row, *texts in zip(rest, *times, strict=True):
        causes = tuple(Cause(**cause) for cause in (row["causes"] or ())[:MAX_CAUSES])
        yield Event(**{**row, **dict(zip(columns, texts, strict=True)), "causes": causes})


def compare_events(
    old: Mapping[Partition, pa.Table], new: Mapping[Partition, pa.Table]
) -> tuple[EventChanges, list[pa.Table]]:
    """Return how the events of some partitions changed, and the rows of the withdrawn events.

    An event stays in its partition: both its id and its partition follow from its start.
    """
    found: dict[str, list[Event]] = {"new": [], "changed": [], "withdrawn": []}
    withdrawn = []
    for partition in sorted(old.keys() | new.keys()):
        before, after = old.get(partition), new.get(partition)
        if not (before is not None and len(before)) and not (after is not None and len(after)):
            continue
        # Compared by repr, because NaN is not equal to itself.
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
            withdrawn.append(gone)
            found["withdrawn"] += as_events(gone)
    return EventChanges(**{kind: tuple(events) for kind, events in found.items()}), withdrawn


def read_event_table(
    output: Path, *, since: int | None = None, until: int | None = None, suppressed: bool = False
) -> pa.Table:
    """Read the events that overlap [since, until) ns, the most anomalous first.

    Suppressed events are omitted unless requested. Raises NoData when nothing was scored yet.
    """
    files = list_event_files(output, Span(since, until))
    tables = [_chosen(file.read(), since, until, suppressed=suppressed) for file in files]
    return join_events(tables or [_no_events(output)])


def read_withdrawn(
    output: Path, *, since: int | None = None, until: int | None = None
) -> pa.Table | None:
    """Read the events that were written and no longer exist; None when there never were any."""
    path = output / WITHDRAWN / PART
    if not path.exists():
        return None
    return join_events([_chosen(read_parquet(path), since, until, suppressed=True)])


def _no_events(output: Path) -> pa.Table:
    """Return an empty table of events; raise NoData when nothing was scored yet."""
    files = list_files(output, EVENTS)
    if not files:
        missing = "events" if list_files(output, FLAGGED) else "scores"
        raise NoData(f"there are no {missing} in {output}: run `aedetect score CONFIG` first")
    return files[-1].schema().empty_table()


def _chosen(table: pa.Table, since: int | None, until: int | None, *, suppressed: bool) -> pa.Table:
    """Select the events that overlap [since, until) ns."""
    kind = table.schema.field("start").type
    if since is not None:
        table = table.filter(pc.greater_equal(table["end"], _timestamp(since, kind)))
    if until is not None:
        table = table.filter(pc.less(table["start"], _timestamp(until, kind)))
    return table if suppressed else table.filter(pc.is_null(table["suppressed"]))


def join_events(tables: Sequence[pa.Table]) -> pa.Table:
    """Concatenate events, the most anomalous first."""
    joined = pa.concat_tables(_of_one_zone(tables), promote_options="permissive")
    times = pc.divide(pc.cast(joined["peak_score"], pa.float64()), joined["threshold"])
    rank = pc.index_in(joined["severity"], value_set=pa.array(SEVERITIES))
    names = ("strength", "p_value", "start", "event_id")
    keys = pa.table({"rank": rank, "times": times, **{name: joined[name] for name in names}})
    # Severity and strength are those of the whole event, and what people see; the p-value is that
    # of one row. A smaller one is more anomalous; unlike scores, it compares between entities.
    order = [("rank", "descending"), ("strength", "descending"), ("p_value", "ascending")]
    order += [("times", "descending"), ("start", "ascending"), ("event_id", "ascending")]
    return joined.take(pc.sort_indices(keys, order))


def _timestamp(nanoseconds: int, kind: pa.DataType) -> pa.Scalar:
    """Return a time as a scalar of a timestamp type, truncated to its unit."""
    return (
        pa.scalar(nanoseconds, pa.int64())
        .cast(pa.timestamp("ns", tz=kind.tz))
        .cast(kind, safe=False)
    )


def _of_one_zone(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return tables whose times have the zone of the last one; the moments stay."""
    zone = tables[-1].schema.field("start").type.tz
    found = []
    for table in tables:
        kind = table.schema.field("start").type
        if kind.tz not in (None, zone) and zone is not None:
            other = pa.timestamp(kind.unit, tz=zone)
            fields = [f.with_type(other) if f.type == kind else f for f in table.schema]
            table = table.cast(pa.schema(fields))  # noqa: PLW2901 - the same table
        found.append(table)
    return found
