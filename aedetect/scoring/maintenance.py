"""Intervals of planned work, from calendars (.ics) and tables (.csv, .parquet).

A timestamp without a zone is what the clock of the table shows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from aedetect.errors import ConfigError, NoData, SchemaMismatch, UnreadableFile
from aedetect.timestamps import NANOSECONDS
from aedetect.wall_clock import WallClock

_UTC = WallClock()
_NEEDED = ("start", "end")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN = timedelta(days=2)  # larger than any offset from UTC


@dataclass(frozen=True, order=True)
class Interval:
    """Planned work in [start, end), in ns."""

    start: int
    end: int
    entity: str  # "": of all
    reason: str

    def clipped(self, start: int, end: int) -> Interval:
        """Return its part in [start, end)."""
        return replace(self, start=max(self.start, start), end=min(self.end, end))


def read_intervals(
    paths: Sequence[str], *, start: int, end: int, clock: WallClock = _UTC
) -> tuple[Interval, ...]:
    """Read the intervals that overlap [start, end) ns, in order.

    Raises ConfigError for an unsupported kind of file, and NoData, UnreadableFile and
    SchemaMismatch for a file that is missing, unreadable or lacks a required column.
    """
    found: set[Interval] = set()
    for path in map(Path, paths):
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise ConfigError(
                f"[events] maintenance must be {', '.join(READERS)} files, got {path.name}"
            )
        if not path.is_file():
            raise NoData(f"no such file: {path}: check [events] maintenance")
        found.update(each for each in read(path, start, end, clock) if each.start < end)
    return tuple(sorted(each for each in found if each.end > start))


def _calendar(path: Path, start: int, end: int, clock: WallClock) -> Iterator[Interval]:
    """Yield the events of a calendar, with each recurrence as a separate interval."""
    try:
        import icalendar
        import recurring_ical_events
    except ImportError as error:
        raise ConfigError(
            f"{path.name} needs the packages that read calendars: pip install 'aedetect[ics]', or "
            "give the intervals as .csv"
        ) from error
    try:
        calendar = icalendar.Calendar.from_ical(path.read_bytes())
        between = _datetime(start) - _MARGIN, _datetime(end) + _MARGIN
        events = recurring_ical_events.of(calendar).between(*between)
    except Exception as error:  # the libraries raise various errors for a damaged calendar
        raise UnreadableFile(
            f"{path.name} is not a calendar ({error}): export it again, as iCalendar"
        ) from error
    for event in events:
        if str(event.get("STATUS", "")).upper() != "CANCELLED":
            begins, ends = (_moment(event[name].dt, clock) for name in ("DTSTART", "DTEND"))
            yield _interval(path, begins, ends, "", str(event.get("SUMMARY", "")))


def _csv(path: Path, _start: int, _end: int, clock: WallClock) -> Iterator[Interval]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
            names = list(rows[0]) if rows else list(_NEEDED)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path.name} is not a CSV table in UTF-8 ({error})") from error
    return _rows(path, names, rows, clock)


def _parquet(path: Path, _start: int, _end: int, clock: WallClock) -> Iterator[Interval]:
    import pyarrow as pa

    from aedetect.output.files import read_parquet

    try:
        table = read_parquet(path)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFile(f"{path.name} is not readable Parquet ({error})") from error
    return _rows(path, table.column_names, table.to_pylist(), clock)


READERS: dict[str, Callable[[Path, int, int, WallClock], Iterator[Interval]]] = {
    ".ics": _calendar,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _rows(
    path: Path, names: Iterable[str], rows: Iterable[Mapping[str, Any]], clock: WallClock
) -> Iterator[Interval]:
    present = list(names)
    if missing := [name for name in _NEEDED if name not in present]:
        raise SchemaMismatch(
            f"{path.name} must have the columns start and end (and may have entity and reason), "
            f"but {' and '.join(missing)} is missing: there are {', '.join(map(str, present))}"
        )
    for number, row in enumerate(rows, start=1):
        try:
            start, end = (_moment(row[name], clock) for name in _NEEDED)
        except (ConfigError, TypeError, ValueError) as error:
            raise UnreadableFile(
                f"{path.name}, row {number}: start and end must be timestamps such as "
                f"2026-03-01T06:00, got {row['start']!r} and {row['end']!r}"
            ) from error
        yield _interval(path, start, end, str(row.get("entity") or ""), row.get("reason") or "")


def _interval(path: Path, start: int, end: int, entity: str, reason: str) -> Interval:
    if end < start:
        raise UnreadableFile(
            f"{path.name}: an interval must end after it starts, but {reason or 'one'} starts "
            f"{_datetime(start):%Y-%m-%d %H:%M} and ends {_datetime(end):%Y-%m-%d %H:%M}"
        )
    return Interval(start, end, entity, " ".join(reason.split()))


def _moment(value: object, clock: WallClock) -> int:
    """Return the timestamp (ns) of a text, a date or a date-time; without a zone as shown."""
    if isinstance(value, str):
        return clock.parse(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no timestamp")
    return clock.at(value)


def _datetime(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // NANOSECONDS["us"])
