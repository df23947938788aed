"""Durations and timestamps: parsing and formatting of text such as "10min", in nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pyarrow as pa

from aedetect.errors import ConfigError

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|sec|min|m|h|d|day|w)s?\s*", re.IGNORECASE)
_READABLE = 4  # digits
_ALIASES = {"sec": "s", "m": "min", "day": "d"}
FIRST_MOMENT = -9_214_560_000_000_000_000  # ns; 1678-01-01: with room before it for lookbacks
LAST_MOMENT = 9_214_646_400_000_000_000  # ns; 2262-01-01: later ones are no moments, too
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a duration such as "500ms", "10min", "1.5h" or "2d".

    >>> parse_duration("10min") // NANOSECONDS["s"]
    600
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"a duration must be a number and one of {', '.join(NANOSECONDS)}, "
            f'got "{text}"; write for example "10min"'
        )
    number, unit = float(match[1]), match[2].lower()
    return round(number * NANOSECONDS[_ALIASES.get(unit, unit)])


def format_duration(nanoseconds: int) -> str:
    """Format a duration in the largest unit that gives a whole number.

    >>> format_duration(600_000_000_000), format_duration(1_500_000_000)
    ('10min', '1500ms')
    """
    for unit in ("d", "h", "min", "s", "ms", "us"):
        if nanoseconds and nanoseconds % NANOSECONDS[unit] == 0:
            return f"{nanoseconds // NANOSECONDS[unit]}{unit}"
    return f"{nanoseconds}ns"


def round_duration(nanoseconds: int) -> str:
    """Format a duration for people: a number of more than four digits is rounded to three.

    >>> round_duration(600_000_000_000), round_duration(1_500_000_000)
    ('10min', '1500ms')
    >>> round_duration(41_437_291_000), round_duration(207_186_455_000), round_duration(1_001)
    ('41.4s', '3.45min', '1001ns')
    """
    exact = format_duration(nanoseconds)
    if len(exact.rstrip("dhminsu")) <= _READABLE:
        return exact
    unit = next(
        (unit for unit in ("d", "h", "min", "s", "ms", "us") if nanoseconds >= NANOSECONDS[unit]),
        "ns",
    )
    number = nanoseconds / NANOSECONDS[unit]
    return f"{float(f'{number:.3g}'):g}{unit}"


def length_text(seconds: float) -> str:
    """Format a length of time as people say it, rounded.

    >>> length_text(45), length_text(5400), length_text(4 * 86400), length_text(8.2e8)
    ('45s', '90min', '4 days', '26 years')
    """
    days = seconds / 86_400
    if days >= 2 * 365.25:
        return f"{days / 365.25:,.0f} years"
    if days >= 3:  # noqa: PLR2004 - shorter ones in hours
        return f"{days:,.0f} days"
    rounding = 1 if seconds < 120 else 60 if seconds < 7200 else 3600  # noqa: PLR2004
    return format_duration(round(seconds / rounding) * rounding * NANOSECONDS["s"])


def short_time(time: str) -> str:
    """Omit seconds that are zero, and the T of ISO 8601.

    >>> short_time("2026-03-01T06:00:00+01:00"), short_time("2026-03-01 06:00:05")
    ('2026-03-01 06:00+01:00', '2026-03-01 06:00:05')
    """
    return re.sub(r"(\d\d:\d\d):00(?=$|[+-])", r"\1", time.replace("T", " "))


def parse_instant(text: str) -> int:
    """Return nanoseconds since 1970 of an ISO date or date-time; without a time zone it is UTC.

    >>> parse_instant("1970-01-02") == NANOSECONDS["d"]
    True
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f'a time must be an ISO date or date-time, got "{text}"; '
            'write for example "2026-03-01" or "2026-03-01T06:00"'
        ) from error
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1_000


def format_instant(nanoseconds: int) -> str:
    """Format nanoseconds since 1970 as ISO date and time, to the second.

    >>> format_instant(0)
    '1970-01-01 00:00:00'
    """
    time = _EPOCH + timedelta(seconds=nanoseconds // NANOSECONDS["s"])
    return time.strftime("%Y-%m-%d %H:%M:%S")


_Times = TypeVar("_Times", pa.Array, pa.ChunkedArray, pa.Scalar)


def to_nanoseconds(times: _Times) -> _Times:
    """Convert timestamps to 64-bit integers in nanoseconds.

    >>> to_nanoseconds(pa.array([1_500], pa.timestamp("ms", tz="UTC"))).to_pylist()
    [1500000000]
    """
    return times.cast(pa.timestamp("ns", tz=times.type.tz)).cast(pa.int64())
