"""Durations and timestamps as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.errors import ConfigError
from aedetect.timestamps import (
    NANOSECONDS,
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
    round_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10min", 600),
        ("10m", 600),
        ("1.5h", 5400),
        (" 2 Days ", 172_800),
        ("1w", 604_800),
    ],
)
def test_durations_are_parsed_from_text(text, seconds):
    """Number and unit, with or without a plural, a fraction or a space."""
    assert parse_duration(text) == seconds * NANOSECONDS["s"]


@pytest.mark.parametrize("text", ["10", "ten minutes", "-5min", "5 months", "", "1h30min"])
def test_an_invalid_duration_is_refused_with_an_example(text):
    """The message repeats the input and shows a valid example."""
    with pytest.raises(ConfigError, match=f'got "{text}"; write for example "10min"'):
        parse_duration(text)


@given(st.integers(min_value=1, max_value=10**7), st.sampled_from(["us", "ms", "s", "min", "h"]))
def test_a_formatted_duration_is_parsed_back(number, unit):
    """Formatting and parsing are inverse."""
    duration = number * NANOSECONDS[unit]
    assert parse_duration(format_duration(duration)) == duration


def test_a_time_without_a_zone_is_utc():
    """A time zone shifts the time; without one it is UTC."""
    assert parse_instant("2026-03-01T06:00") == parse_instant("2026-03-01T07:00+01:00")


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01.03.2026"])
def test_an_invalid_time_is_refused_with_an_example(text):
    """The message repeats the input and shows a valid example."""
    with pytest.raises(ConfigError, match=rf'got "{text}"; write for example "2026-03-01"'):
        parse_instant(text)


@given(st.integers(min_value=-(10**9), max_value=4 * 10**9))
def test_a_formatted_time_is_parsed_back(seconds):
    """To the second, before 1970 too."""
    time = seconds * NANOSECONDS["s"]
    assert parse_instant(format_instant(time)) == time


@given(st.integers(1, 10**18))
def test_a_rounded_duration_is_short_and_nearly_the_same(duration):
    """Four digits at most where it is exact, three where it is not, and then a duration again."""
    text = round_duration(duration)
    digits = text.rstrip("dhminsu").replace(".", "").strip("0")
    assert len(digits) <= 4, text
    assert parse_duration(text) == pytest.approx(duration, rel=0.006)
