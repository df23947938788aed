"""The events that people should hear of, and the words in which they do."""

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
from aedetect.output import list_files
from aedetect.output.catalog import list_event_files
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import parse_duration, to_nanoseconds

_CAUSES = 3  # that a message names
_LONGEST_TITLE = 200  # characters
_LISTED = 40  # events in a digest; more are counted
_COLUMNS = [
    "event_id",
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
    """What one receiver gets at once, and what it knows thereafter."""

    title: str
    body: str
    severity: str
    tells: tuple[tuple[str, str], ...]  # (event id or key of an alert, severity)


@dataclass(frozen=True, kw_only=True)
class PendingEvents:
    """One event that was reported."""

    event_id: str
    entity: str | None
    start: datetime
    end: datetime
    rows: int
    severity: str
    causes: Sequence[dict[str, Any]] | None
    text: str


def recent(output: Path, settings: NotifySettings) -> list[PendingEvents]:
    """Read the reported events that are severe enough and not over for too long, oldest first.

    How long is counted from the newest row that was scored, not from the clock: a backfill and a
    first run over years tell what happened in the last of their data.
    """
    newest = _newest(output)
    if newest is None:
        return []
    since = newest - parse_duration(settings.max_age)
    found: list[PendingEvents] = []
    for file in list_event_files(output, Span(since, None)):
        found += _reported(file.read(_COLUMNS), since, settings)
    return sorted(found, key=lambda news: (news.start, news.event_id))


def recent_ids(output: Path, *, since: str) -> set[str]:
    """Return the events that ended since so long before the newest data, or may have."""
    newest = _newest(output)
    if newest is None:
        return set()
    files = list_event_files(output, Span(newest - parse_duration(since), None))
    return {name for file in files for name in file.read(["event_id"])["event_id"].to_pylist()}


def one_by_one(news: Sequence[PendingEvents], *, detector: str, label: str) -> list[Message]:
    """Write one message an event; `label` is the command by which people answer."""
    return [
        Message(
            title=_title(f"{detector}: {each.severity} at {each.entity or 'the only series'}"),
            body="\n".join([*_lines(each), f"Right or not? {label} {each.event_id}"]),
            severity=each.severity,
            tells=((each.event_id, each.severity),),
        )
        for each in news
    ]


def digest(news: Sequence[PendingEvents], *, detector: str, label: str) -> list[Message]:
    """Write one message about all events, the most severe first; none when there are none."""
    if not news:
        return []
    ordered = sorted(news, key=lambda each: -SEVERITIES.index(each.severity))
    counts = Counter(each.severity for each in ordered)
    numbers = ", ".join(f"{counts[severity]} {severity}" for severity in counts)
    parts = []
    for each in ordered[:_LISTED]:
        first, *others = _lines(each)
        parts.append("\n".join([f"[{each.severity}] {each.entity or ''} {first}", *others]))
    if len(ordered) > _LISTED:
        parts.append(f"and {len(ordered) - _LISTED} more")
    parts.append(f"Right or not? {label} EVENT")
    events = "event" if len(ordered) == 1 else "events"
    return [
        Message(
            title=f"{detector}: {len(ordered)} {events} ({numbers})",
            body="\n\n".join(parts),
            severity=ordered[0].severity,
            tells=tuple((each.event_id, each.severity) for each in ordered),
        )
    ]


def _title(text: str) -> str:
    """Write a title that receivers take: one line, of a length that mail and services allow."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 3]}..."


def _lines(news: PendingEvents) -> list[str]:
    """Say when, what, why and which."""
    rows = "1 row" if news.rows == 1 else f"{news.rows} rows"
    lines = [f"{_text(news.start)} to {_text(news.end)}, {rows}", news.text]
    if causes := ", ".join(_cause(cause) for cause in (news.causes or ())[:_CAUSES]):
        lines.append(f"causes: {causes}")
    return [line for line in (*lines, f"event {news.event_id}") if line]


def _cause(cause: dict[str, Any]) -> str:
    observed, expected = (_number(cause[name]) for name in ("observed", "expected"))
    return f"{cause['share']:.0%} {cause['feature']} {observed} (expected {expected})"


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.3g}"


def _text(moment: datetime) -> str:
    return moment.isoformat(" ", timespec="seconds")


def _reported(table: pa.Table, since: int, settings: NotifySettings) -> list[PendingEvents]:
    """Take the events of a file that are to be told."""
    severe = SEVERITIES[SEVERITIES.index(settings.min_severity) :]
    ends = to_nanoseconds(table["end"])
    kept = pc.and_(
        pc.and_(pc.is_null(table["suppressed"]), pc.is_in(table["severity"], pa.array(severe))),
        pc.greater_equal(ends, since),
    )
    chosen = table.filter(kept).drop_columns("suppressed")
    for name in ("start", "end"):  # Python's own moments have microseconds
        index, column = chosen.column_names.index(name), chosen[name]
        micro = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        chosen = chosen.set_column(index, name, micro)
    return [PendingEvents(**row) for row in chosen.to_pylist()]


def _newest(output: Path) -> int | None:
    """Return the moment of the newest row that was scored, in ns."""
    times = (file.times("timestamp") for file in reversed(list_files(output, SCORES)))
    return next((each.last for each in times if each is not None), None)
