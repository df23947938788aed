"""Output partitions: a day or an hour on the clock of the table, and its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from aedetect.output.atomic import PART
from aedetect.timestamps import NANOSECONDS, format_instant, parse_instant
from aedetect.wall_clock import WallClock

PartitionBy = Literal["day", "hour"]
SCORES, FLAGGED, EVENTS = "scores", "flagged", "events"
_LENGTH: dict[PartitionBy, int] = {"day": NANOSECONDS["d"], "hour": NANOSECONDS["h"]}
_UTC = WallClock()
_MARGIN = NANOSECONDS["d"]  # more than any offset from UTC
_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})(?:/hour=(\d{2}))?")


@dataclass(frozen=True, order=True)
class Partition:
    """A day or hour; its start and end are what the clock of the table shows, in ns since 1970.

    A day has 23 or 25 hours when the clock is changed, and an hour that the clock shows twice is
    one partition.
    """

    start: int
    by: PartitionBy

    @property
    def end(self) -> int:
        """The end of the partition on the clock, exclusive."""
        return self.start + _LENGTH[self.by]

    def bounds(self, clock: WallClock) -> tuple[int, int]:
        """Return the timestamps [start, end) in ns of its rows."""
        return _bounds(self.start, self.end, clock)

    @cached_property
    def folder(self) -> str:
        """The Hive-style folder of the partition.

        >>> Partition(0, "hour").folder
        'date=1970-01-01/hour=00'
        """
        text = format_instant(self.start)
        return f"date={text[:10]}" + (f"/hour={text[11:13]}" if self.by == "hour" else "")

    def path(self, output: Path, kind: str) -> Path:
        """The path of its file of a kind (scores, flagged, events)."""
        return output / kind / self.folder / PART

    def __str__(self) -> str:
        """Return the date, with the hour if partitioned by hour."""
        return format_instant(self.start)[: 10 if self.by == "day" else 13]


def partition_at(moment: int, by: PartitionBy, clock: WallClock = _UTC) -> Partition:
    """Return the partition that contains a timestamp (ns).

    >>> partition_at(0, "day", WallClock("America/New_York")).folder
    'date=1969-12-31'
    """
    length = _LENGTH[by]
    found = Partition(clock.shown(moment) // length * length, by)
    while moment >= found.bounds(clock)[1]:  # after the clock went back past midnight
        found = Partition(found.end, by)
    return found


@lru_cache(maxsize=4096)  # a plan asks for the same ones once a file
def _bounds(start: int, end: int, clock: WallClock) -> tuple[int, int]:
    return _first_at(clock, start), _first_at(clock, end)


def _first_at(clock: WallClock, shown: int) -> int:
    """Return since when the clock shows a time; before 1972 to the whole hour or quarter."""
    return clock.first_at(shown) // clock.step * clock.step


@lru_cache(maxsize=65_536)  # a run lists an output several times
def parse_folder(folder: str) -> Partition | None:
    """Return the partition of a folder below scores/; None if it is not a partition.

    >>> parse_folder("date=1970-01-02") == Partition(NANOSECONDS["d"], "day")
    True
    """
    match = _FOLDER.fullmatch(folder)
    if match is None:
        return None
    try:
        day = datetime.strptime(match[1], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    hour = int(match[2]) if match[2] else 0
    start = parse_instant(day.isoformat()) + hour * NANOSECONDS["h"]
    return Partition(start, "hour" if match[2] else "day")


def name_range(first: str, last: str) -> str:
    """Name partitions by the texts of the first and the last of them, as people say it.

    >>> name_range("2026-04-28", "2026-04-28"), name_range("2026-04-01", "2026-04-07")
    ('2026-04-28', '2026-04-01 to 2026-04-07')
    >>> name_range("2026-04-28 05", "2026-04-28 11"), name_range("2026-04-28 05", "2026-04-28 05")
    ('2026-04-28 05:00 to 11:59', '2026-04-28 05:00 to 05:59')
    """
    day, _, hour = last.partition(" ")
    if not hour:
        return first if first == last else f"{first} to {last}"
    same = first.partition(" ")[0] == day
    return f"{first}:00 to {'' if same else f'{day} '}{hour}:59"


@dataclass(frozen=True)
class Span:
    """A requested time range, [since, until) in ns; None: no bound."""

    since: int | None = None
    until: int | None = None

    def covers(self, partition: Partition, clock: WallClock = _UTC) -> bool:
        """Whether the partition overlaps the span."""
        start, end = partition.bounds(clock)
        return self._overlaps(start, end)

    def may_cover(self, partition: Partition) -> bool:
        """Whether the partition overlaps the span on any clock."""
        return self._overlaps(partition.start - _MARGIN, partition.end + _MARGIN)

    def _overlaps(self, start: int, end: int) -> bool:
        return (self.since is None or end > self.since) and (
            self.until is None or start < self.until
        )
