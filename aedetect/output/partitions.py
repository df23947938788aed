"""Output partitions: a day or an hour, with its time range and its path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from aedetect.output.atomic import PART
from aedetect.timestamps import NANOSECONDS, format_instant, parse_instant

PartitionBy = Literal["day", "hour"]
SCORES, FLAGGED, EVENTS = "scores", "flagged", "events"
_LENGTH: dict[PartitionBy, int] = {"day": NANOSECONDS["d"], "hour": NANOSECONDS["h"]}
_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})(?:/hour=(\d{2}))?")


@dataclass(frozen=True, order=True)
class Partition:
    """The rows of [start, end), in ns since 1970 and UTC (or the table's own clock)."""

    start: int
    by: PartitionBy

    @property
    def end(self) -> int:
        """The end of the partition (ns), exclusive."""
        return self.start + _LENGTH[self.by]

    @property
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


def partition_at(moment: int, by: PartitionBy) -> Partition:
    """Return the partition that contains a timestamp (ns)."""
    return Partition(moment // _LENGTH[by] * _LENGTH[by], by)


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


@dataclass(frozen=True)
class Span:
    """A requested time range, [since, until) in ns; None: no bound."""

    since: int | None = None
    until: int | None = None

    def covers(self, partition: Partition) -> bool:
        """Whether the partition overlaps the span."""
        after = self.since is None or partition.end > self.since
        return after and (self.until is None or partition.start < self.until)
