"""Intervals of planned work, from calendars and tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from aedetect.errors import ConfigError, NoData, SchemaMismatch, UnreadableFile
from aedetect.scoring.maintenance import Interval, read_intervals
from aedetect.timestamps import parse_instant

WEEKLY = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//EN
BEGIN:VEVENT
UID:1
SUMMARY:Oil change
DTSTART;TZID=Europe/Berlin:20260322T060000
DTEND;TZID=Europe/Berlin:20260322T080000
RRULE:FREQ=WEEKLY
EXDATE;TZID=Europe/Berlin:20260405T060000
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Holiday
DTSTART;VALUE=DATE:20260401
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:Called off
STATUS:CANCELLED
DTSTART:20260402T060000Z
DURATION:PT1H
END:VEVENT
BEGIN:VEVENT
UID:4
SUMMARY:Test run
DTSTART:20260403T060000
DURATION:PT30M
END:VEVENT
END:VCALENDAR
"""


def read(*paths, start="2026-03-20", end="2026-04-15"):
    """Read the intervals that overlap a span."""
    return read_intervals(
        [str(path) for path in paths], start=parse_instant(start), end=parse_instant(end)
    )


def interval(start, end, entity="", reason=""):
    """An interval given by its times as text."""
    return Interval(parse_instant(start), parse_instant(end), entity, reason)


@pytest.fixture
def calendar(tmp_path):
    """A weekly event in a zone whose clocks change on 29 March, one of a day, and two more."""
    path = tmp_path / "work.ics"
    path.write_text(WEEKLY.replace("\n", "\r\n"))
    return path


def test_a_calendar_gives_each_recurrence_in_its_zone(calendar):
    """Six in the morning is another UTC time in summer; cancelled events are left out."""
    assert read(calendar) == (
        interval("2026-03-22T05:00", "2026-03-22T07:00", "", "Oil change"),
        interval("2026-03-29T04:00", "2026-03-29T06:00", "", "Oil change"),
        interval("2026-04-01", "2026-04-02", "", "Holiday"),
        interval("2026-04-03T06:00", "2026-04-03T06:30", "", "Test run"),
        interval("2026-04-12T04:00", "2026-04-12T06:00", "", "Oil change"),
    )


def test_only_what_meets_the_span_is_read(calendar):
    """Ends of intervals and of the span are exclusive."""
    assert read(calendar, start="2026-03-22T07:00", end="2026-03-29T04:00") == ()
    assert len(read(calendar, start="2026-03-22T06:59", end="2026-03-29T04:01")) == 2


def test_tables_give_entity_and_reason(tmp_path):
    """As CSV or Parquet, texts or timestamps, with a zone or without."""
    table = tmp_path / "work.csv"
    table.write_text(
        "start,end,entity,reason\n"
        "2026-04-01T06:00,2026-04-01T07:00,east,  new   pump \n"
        "2026-04-02T06:00+02:00,2026-04-02T07:00+02:00,,\n"
    )
    expected = (
        interval("2026-04-01T06:00", "2026-04-01T07:00", "east", "new pump"),
        interval("2026-04-02T04:00", "2026-04-02T05:00"),
    )
    assert read(table) == expected
    frame = pd.DataFrame(
        {
            "start": [datetime(2026, 4, 1, 6, tzinfo=UTC), datetime(2026, 4, 2, 4, tzinfo=UTC)],
            "end": [datetime(2026, 4, 1, 7, tzinfo=UTC), datetime(2026, 4, 2, 5, tzinfo=UTC)],
            "entity": ["east", None],
            "reason": ["new pump", None],
        }
    )
    frame.to_parquet(tmp_path / "work.parquet")
    assert read(tmp_path / "work.parquet") == expected
    assert read(table, tmp_path / "work.parquet") == expected  # each counts once


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        (
            "work.xlsx",
            "",
            ConfigError,
            "files, got work.xlsx",
        ),
        ("work.csv", "start,until\n2026-04-01,x", SchemaMismatch, "but end is missing"),
        ("work.csv", "start,end\n2026-04-01,soon", UnreadableFile, "row 1: start and end must be"),
        ("work.csv", "start,end\n2026-04-02,2026-04-01", UnreadableFile, "must end after it"),
        ("work.csv", "start,end\n2026-04-02", UnreadableFile, "row 1: start and end must be"),
        ("work.parquet", "a,b", UnreadableFile, "not readable Parquet"),
        ("work.ics", "a,b", UnreadableFile, "is not a calendar"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path, name, content, error, message):
    """The message names the file and the requirement."""
    (tmp_path / name).write_text(content)
    with pytest.raises(error, match=message):
        read(tmp_path / name)


def test_a_file_that_is_missing_is_named(tmp_path):
    """Planned work must not be ignored silently."""
    with pytest.raises(NoData, match=r"no such file: .*work\.ics"):
        read(tmp_path / "work.ics")


def test_a_table_without_rows_is_no_work(tmp_path):
    """Nothing is planned."""
    (tmp_path / "work.csv").write_text("start,end\n")
    assert read(tmp_path / "work.csv") == ()
