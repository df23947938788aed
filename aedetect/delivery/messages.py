"""Select the events to notify, and write the messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aedetect.delivery.settings import NotifySettings
from aedetect.output.catalog import list_event_files, newest_files
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import parse_duration, to_nanoseconds
from aedetect.wording import plural

_LEAST = 0.005  # of the blame, for a column to be named: 1 % when rounded
_MAX_CAUSES = 3  # per message
_MAX_TITLE = 200  # characters
MAX_LISTED = 40  # events in a digest; the rest are counted
_COLUMNS = [
    "event_id",
    "incident_id",
    "entity",
    "start",
    "end",
    "rows",
    "severity",
    "causes",
    "text",
    "suppressed",
]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message to a receiver, and the entries of the sent log that it adds."""

    title: str
    body: str
    severity: str
    entries: tuple[tuple[str, str], ...]  # (event id or key of an alert, severity); the worst first
    detector: str = ""
    status: str = ""  # of alerts: whether they have begun or are over; empty: of events
    texts: tuple[str, ...] = ()  # of alerts: one each


@dataclass(frozen=True, kw_only=True)
class PendingEvent:
    """A reported event to notify."""

    event_id: str
    incident_id: str | None = None
    entity: str | None
    start: datetime
    end: datetime
    rows: int
    severity: str
    causes: Sequence[dict[str, Any]] | None
    text: str


def read_recent(output: Path, settings: NotifySettings) -> list[PendingEvent]:
    """Read the reported events of sufficient severity and age, the oldest first.

    The age is relative to the newest scored row, not to the clock: a backfill or a first run over
    years notifies of the end of its data.
    """
    newest = _newest(output)
    if newest is None:
        return []
    since = newest - parse_duration(settings.max_age)
    found: list[PendingEvent] = []
    for file in list_event_files(output, Span(since, None)):
        found += _reported(file.read(_COLUMNS), since, settings)
    return sorted(found, key=lambda pending: (pending.start, pending.event_id))


def recent_ids(output: Path, *, since: str) -> set[str]:
    """Return the ids of events that ended less than `since` before the newest data, or may have."""
    newest = _newest(output)
    if newest is None:
        return set()
    files = list_event_files(output, Span(newest - parse_duration(since), None))
    return {name for file in files for name in file.read(["event_id"])["event_id"].to_pylist()}


def message_per_incident(
    pending: Sequence[PendingEvent], *, detector: str, label: str, page: str | None = None
) -> list[Message]:
    """Return one message per incident, of most one event.

    `label` is the command that labels it, `page` the path or address of the page that shows it.
    """
    return [
        _about_one(events[0], detector=detector, label=label, page=page)
        if len(events) == 1
        else _about_several(events, detector=detector, label=label, page=page)
        for events in _incidents(pending)
    ]


def _incidents(pending: Sequence[PendingEvent]) -> list[list[PendingEvent]]:
    """Return the events by incident, in each the most severe first."""
    found: dict[str, list[PendingEvent]] = {}
    for each in pending:
        found.setdefault(each.incident_id or each.event_id, []).append(each)
    return [sorted(events, key=_severest_first) for events in found.values()]


def _about_one(each: PendingEvent, *, detector: str, label: str, page: str | None) -> Message:
    shown = [f"Page: {page}#e-{each.event_id}"] if page else []
    return Message(
        title=one_line(f"{detector}: {each.severity} at {each.entity or 'the only series'}"),
        body="\n".join([*_lines(each), _labels(label, each.event_id), *shown]),
        severity=each.severity,
        entries=((each.event_id, each.severity),),
        detector=detector,
    )


def _about_several(
    events: Sequence[PendingEvent], *, detector: str, label: str, page: str | None
) -> Message:
    """Return the message about events that began together, the most severe first."""
    names = list(dict.fromkeys(each.entity or "the only series" for each in events))
    where = names[0] if len(names) == 1 else f"{len(names)} entities"
    severity = events[0].severity
    listed = f"{len(events)} events began together: {', '.join(names[:MAX_LISTED])}"
    return Message(
        title=one_line(f"{detector}: {severity} at {where}"),
        body="\n\n".join([listed, *_listed(events), _ending(label, page)]),
        severity=severity,
        entries=tuple((each.event_id, each.severity) for each in events),
        detector=detector,
    )


def digest(
    pending: Sequence[PendingEvent], *, detector: str, label: str, page: str | None = None
) -> list[Message]:
    """Return one message about all events, the most severe first; none without events.

    Events that began together follow each other.
    """
    if not pending:
        return []
    incidents = sorted(_incidents(pending), key=lambda events: _severest_first(events[0]))
    whole = [each for events in incidents for each in events]
    counts = Counter(each.severity for each in sorted(pending, key=_severest_first))
    numbers = ", ".join(f"{counts[severity]} {severity}" for severity in counts)
    events = "event" if len(whole) == 1 else "events"
    return [
        Message(
            title=f"{detector}: {len(whole)} {events} ({numbers})",
            body="\n\n".join([*_listed(whole), _ending(label, page)]),
            severity=next(iter(counts)),
            entries=tuple((each.event_id, each.severity) for each in whole),
            detector=detector,
        )
    ]


def _ending(label: str, page: str | None) -> str:
    """Return the last paragraph of a message about several events."""
    asked = _labels(label, "EVENT")
    return f"{asked}\nPage: {page}" if page else asked


def _labels(label: str, event: str) -> str:
    """Return the two commands of which one says what an event was, whole, to be copied."""
    return f"A fault: {label} {event} --confirmed\nA false alarm: {label} {event} --false-alarm"


def _severest_first(each: PendingEvent) -> tuple[int, datetime, str]:
    """Return the key that sorts the most severe event first."""
    return -SEVERITIES.index(each.severity), each.start, each.event_id


def _listed(events: Sequence[PendingEvent]) -> list[str]:
    """Return a paragraph for each event, as many as a message holds."""
    parts = []
    for each in events[:MAX_LISTED]:
        first, *others = _lines(each)
        parts.append("\n".join([f"[{each.severity}] {each.entity or ''} {first}", *others]))
    if len(events) > MAX_LISTED:
        parts.append(f"and {len(events) - MAX_LISTED} more")
    return parts


def one_line(text: str) -> str:
    """Return a title on one line, of a length that mail and services accept."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TITLE else f"{line[: _MAX_TITLE - 3]}..."


def _lines(pending: PendingEvent) -> list[str]:
    """Return the lines of a message: time, description, causes and id."""
    lasted = [_text(pending.start), *([_text(pending.end)] if pending.rows > 1 else [])]
    lines = [f"{' to '.join(lasted)}, {plural(pending.rows, 'row')}", pending.text]
    told = [each for each in (pending.causes or ())[:_MAX_CAUSES] if each["share"] >= _LEAST]
    if causes := ", ".join(map(_cause, told)):
        lines.append(f"to blame: {causes}")
    return [line for line in (*lines, f"event {pending.event_id}") if line]


def _cause(cause: dict[str, Any]) -> str:
    """Return the share of a column; its values stand in the sentence."""
    return f"{cause['feature'].partition('=')[0]} {cause['share']:.0%}"


def _text(time: datetime) -> str:
    shown = "seconds" if time.second else "minutes"
    return time.isoformat(" ", timespec=shown)


def _reported(table: pa.Table, since: int, settings: NotifySettings) -> list[PendingEvent]:
    """Select the events of a file to notify."""
    severe = SEVERITIES[SEVERITIES.index(settings.min_severity) :]
    ends = to_nanoseconds(table["end"])
    kept = pc.and_(
        pc.and_(pc.is_null(table["suppressed"]), pc.is_in(table["severity"], pa.array(severe))),
        pc.greater_equal(ends, since),
    )
    chosen = table.filter(kept).drop_columns("suppressed")
    for name in ("start", "end"):  # Python's datetime has microseconds
        index, column = chosen.column_names.index(name), chosen[name]
        micro = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        chosen = chosen.set_column(index, name, micro)
    return [PendingEvent(**row) for row in chosen.to_pylist()]


def _newest(output: Path) -> int | None:
    """Return the time of the newest scored row, in ns."""
    times = (file.times("timestamp") for file in newest_files(output, SCORES))
    return next((each.last for each in times if each is not None), None)
