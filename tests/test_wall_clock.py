"""The wall clock of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.errors import ConfigError
from aedetect.output.partitions import partition_at
from aedetect.timestamps import NANOSECONDS, parse_instant
from aedetect.wall_clock import WallClock

ZONES = (
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Pacific/Apia",
)
SECONDS = st.integers(0, 2_500_000_000)  # 1970 to 2049
BERLIN = WallClock("Europe/Berlin")
NOON = datetime(2026, 10, 25, 12, tzinfo=UTC)


@given(st.lists(SECONDS, min_size=1, max_size=20), st.sampled_from(ZONES))
def test_offsets_are_those_of_the_zone(seconds, zone):
    """For many timestamps at once, in any order."""
    time = np.array(seconds, dtype=np.int64) * NANOSECONDS["s"]
    expected = [datetime.fromtimestamp(each, ZoneInfo(zone)).utcoffset() for each in seconds]
    found = WallClock(zone).offset(time) // NANOSECONDS["s"]
    assert found.tolist() == [each.total_seconds() for each in expected]


@given(SECONDS, st.sampled_from(ZONES), st.sampled_from(["day", "hour"]))
def test_partitions_hold_their_moments_and_follow_on_each_other(second, zone, by):
    """Without a hole and without an overlap, on hours or quarters of an hour."""
    clock, moment = WallClock(zone), second * NANOSECONDS["s"]
    found = partition_at(moment, by, clock)
    start, end = found.bounds(clock)
    assert start <= moment < end
    assert partition_at(start, by, clock) == found
    assert partition_at(end, by, clock).bounds(clock)[0] == end
    assert start % clock.step == end % clock.step == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-28", 24),
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),  # midnight does not exist
        ("Asia/Kolkata", "2026-10-25", 24),
    ],
)
def test_a_day_is_as_long_as_on_the_clock(zone, day, hours):
    """23 or 25 hours when the clock is changed."""
    clock = WallClock(zone)
    found = partition_at(clock.parse(f"{day}T12:00"), "day", clock)
    start, end = found.bounds(clock)
    assert (found.folder, end - start) == (f"date={day}", int(hours * NANOSECONDS["h"]))


def test_an_hour_that_the_clock_shows_twice_is_one_partition():
    """And one that it skips is none."""
    twice = partition_at(parse_instant("2026-10-25T00:30"), "hour", BERLIN)
    assert twice == partition_at(parse_instant("2026-10-25T01:30"), "hour", BERLIN)
    assert twice.folder == "date=2026-10-25/hour=02"
    spring = [parse_instant(f"2026-03-29T0{hour}:59") for hour in (0, 1)]
    folders = [partition_at(each, "hour", BERLIN).folder[-2:] for each in spring]
    assert folders == ["01", "03"]


def test_texts_have_the_offset_and_are_read_again():
    """As shown on the screen and in JSON; of two equal hours each is itself."""
    for text in ("2026-10-25T00:30", "2026-10-25T01:30", "2026-07-01T10:00:00.123456"):
        moment = parse_instant(text)
        assert BERLIN.parse(BERLIN.format(moment)) == BERLIN.parse(BERLIN.iso(moment)) == moment
    assert BERLIN.format(parse_instant("2026-10-25T00:30")) == "2026-10-25 02:30:00+02:00"
    assert BERLIN.iso(parse_instant("2026-10-25T01:30")) == "2026-10-25T02:30:00+01:00"


def test_a_text_without_offset_is_what_the_clock_shows():
    """The first of two equal hours; a skipped one as if the clock had not been put forward."""
    assert BERLIN.parse("2026-10-25T02:30") == parse_instant("2026-10-25T00:30")
    assert BERLIN.parse("2026-03-29T02:30") == parse_instant("2026-03-29T01:30")
    assert BERLIN.parse("2026-07-01") == parse_instant("2026-06-30T22:00")
    assert WallClock().parse("2026-07-01") == parse_instant("2026-07-01")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", "2026-10-24T12:00"),
        ("7d", "2026-10-18T12:00"),
        ("today", "2026-10-24T22:00"),
        ("yesterday", "2026-10-23T22:00"),
        ("now", "2026-10-25T12:00"),
    ],
)
def test_a_time_ago(text, expected):
    """Before now; a day begins at midnight of the zone, 25 hours before the next in autumn."""
    assert BERLIN.parse(text, now=NOON) == parse_instant(expected)


def test_local_time_without_zone_stays_as_it_is():
    """The zone only says where the clock hangs: for texts, and for what is given with a zone."""
    local = WallClock("Europe/Berlin", aware=False)
    noon = parse_instant("2026-07-01T12:00")
    assert local.offset(np.array([noon])).tolist() == [0]
    assert local.iso(noon) == "2026-07-01T12:00:00+02:00"
    assert local.parse("2026-07-01T12:00") == local.parse("2026-07-01T10:00Z") == noon
    assert local.parse("24h", now=NOON) == parse_instant("2026-10-24T13:00")
    assert local.iso(parse_instant("2026-10-25T02:30")) == "2026-10-25T02:30:00+02:00"
    assert WallClock(None, aware=False).iso(noon) == "2026-07-01T12:00:00"


@pytest.mark.parametrize("text", ["tomorrow", "7 fortnights", "2026-13-01", ""])
def test_other_texts_are_refused(text):
    """With examples of what is read."""
    with pytest.raises(ConfigError, match=r"ISO date or date-time|a duration must be"):
        BERLIN.parse(text, now=NOON)
