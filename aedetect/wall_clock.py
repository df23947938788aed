"""The wall clock of a table: in which zone its days, hours and weekdays are, and its texts.

Timestamps with a zone are moments: the clock shows them with its offset. Timestamps without a zone
stay as they are, they are what the clock shows; a zone only gives its place. An hour that the
clock shows twice, at the end of summer time, is then the first of the two.

The offsets of a zone come from `zoneinfo`, and are looked up for many timestamps at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from aedetect.arrays import Int64
from aedetect.errors import ConfigError
from aedetect.timestamps import NANOSECONDS, format_instant, parse_duration

UTC_NAME = "UTC"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _DAY = NANOSECONDS["s"], NANOSECONDS["d"]
_FIXED = re.compile(r"([+-])(\d\d):?(\d\d)")
_AGO = re.compile(r"\s*\d+(?:\.\d+)?\s*[a-zA-Z]+\s*")
_DAYS_AGO = {"today": 0, "yesterday": 1}
_YEARS = (1972, 2050)  # since 1972, offsets are whole minutes


@dataclass(frozen=True)
class WallClock:
    """The clock by which people read the timestamps of a table (int64, ns)."""

    zone: str | None = None  # None: UTC, or not known where timestamps have no zone
    aware: bool = True  # whether the timestamps are moments; if not, they are what the clock shows

    @property
    def is_shifted(self) -> bool:
        """Whether it shows another time than that of the timestamps."""
        return self.aware and self.zone not in (None, UTC_NAME)

    def offset(self, time: Int64) -> Int64:
        """Return what must be added to timestamps to get what the clock shows: (R,) -> (R,)."""
        if not self.is_shifted or not len(time):
            return np.zeros(len(time), dtype=np.int64)
        starts, offsets = _offsets(str(self.zone), _year(int(time.min())), _year(int(time.max())))
        return offsets[np.searchsorted(starts, time, side="right") - 1]

    def shown(self, time: int) -> int:
        """Return what the clock shows at one timestamp, in ns since 1970 on its face."""
        if not self.is_shifted:
            return time
        return time + int(self.offset(np.array([time], dtype=np.int64))[0])

    def first_at(self, shown: int) -> int:
        """Return the first timestamp at which the clock shows this or a later time.

        >>> spring = WallClock("Europe/Berlin").first_at  # 02:30 does not exist on this day
        >>> format_instant(spring(1_774_751_400_000_000_000))
        '2026-03-29 01:00:00'
        """
        if not self.is_shifted:
            return shown
        starts, offsets = _offsets(str(self.zone), _year(shown - 2 * _DAY), _year(shown + 2 * _DAY))
        reached = np.maximum(starts, shown - offsets)
        inside = reached < np.append(starts[1:], np.iinfo(np.int64).max)
        return int(reached[inside][0])

    def format(self, time: int, *, separator: str = " ") -> str:
        """Format a timestamp as ISO date and time, with the offset where a zone is known.

        >>> WallClock("Asia/Kolkata").format(0), WallClock(aware=False).format(1_500_000_000)
        ('1970-01-01 05:30:00+05:30', '1970-01-01 00:00:01.5')
        """
        shown = self.shown(time)
        fraction = time % _SECOND
        text = format_instant(shown).replace(" ", separator)
        text += f".{fraction:09d}".rstrip("0") if fraction else ""
        if not self.aware:
            return text if self.zone is None else text + _text(shown - self._moment(shown))
        return text + _text(shown - time)

    def iso(self, time: int) -> str:
        """Format a timestamp as ISO 8601, as in JSON."""
        return self.format(time, separator="T")

    def parse(self, text: str, *, now: datetime | None = None) -> int:
        """Return the timestamp (ns) of an ISO text; without an offset it is what the clock shows.

        With `now` also of a duration before it ("7d"), "yesterday" and "today": when they began.
        Raises ConfigError.

        >>> WallClock("Europe/Berlin").parse("1970-01-01") // NANOSECONDS["h"]
        -1
        """
        word = text.strip().lower()
        if now is not None and word in (*_DAYS_AGO, "now"):
            shown = self.shown(self.at(now))
            day = shown // _DAY - _DAYS_AGO.get(word, 0)
            return self.at(now) if word == "now" else self.first_at(day * _DAY)
        if now is not None and _AGO.fullmatch(text):
            return self.at(now) - parse_duration(text)
        try:
            return self.at(datetime.fromisoformat(text.strip()))
        except ValueError as error:
            also = "" if now is None else ', "yesterday", or a time ago such as "7d"'
            raise ConfigError(
                f'a time must be an ISO date or date-time, got "{text}"; '
                f'write for example "2026-03-01" or "2026-03-01T06:00"{also}'
            ) from error

    def at(self, when: datetime) -> int:
        """Return the timestamp (ns) of a time; without a zone it is what the clock shows."""
        if when.tzinfo is None:
            return self._timestamp(_nanoseconds(when.replace(tzinfo=UTC)))
        moment = _nanoseconds(when)
        return moment if self.aware else WallClock(self.zone).shown(moment)

    def _timestamp(self, shown: int) -> int:
        """Return the timestamp of what the clock shows, the first of two."""
        return self._moment(shown) if self.aware else shown

    def _moment(self, shown: int) -> int:
        """Return the moment at which the clock shows a time; the first of two.

        For a time that is skipped, as if the clock had not been put forward.
        """
        zone = load_zone(self.zone or UTC_NAME)
        face = (_EPOCH + timedelta(microseconds=shown // 1_000)).replace(tzinfo=zone)
        offset = face.utcoffset() or timedelta()
        return shown - offset // timedelta(microseconds=1) * 1_000

    @property
    def step(self) -> int:
        """The longest step (ns), an hour or a quarter, at which days and hours of it begin."""
        return _step(self.zone) if self.aware and self.zone is not None else NANOSECONDS["h"]


@lru_cache(maxsize=256)
def load_zone(name: str) -> tzinfo:
    """Return a zone by its name, such as "Europe/Berlin", "UTC" or "+05:30".

    Raises ConfigError for a name that is not known.
    """
    if name == UTC_NAME:
        return UTC
    if fixed := _FIXED.fullmatch(name):
        sign = -1 if fixed[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(fixed[2]), minutes=int(fixed[3])))
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(
            f'a time zone must be a name such as "Europe/Berlin" or "UTC", got "{name}"'
        ) from error


def known_zone(name: str | None) -> str | None:
    """Return a zone's name, or UTC for one that is not known here; the moments are the same."""
    if name is None:
        return None
    try:
        load_zone(name)
    except ConfigError:
        return UTC_NAME
    return name


def _nanoseconds(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1) * 1_000


def _year(time: int) -> int:
    return (_EPOCH + timedelta(seconds=time // _SECOND)).year


@lru_cache(maxsize=256)
def _offsets(zone: str, first: int, last: int) -> tuple[Int64, Int64]:
    """Return since when which offset holds in some years, both inclusive, in ns."""
    parts = [_offsets_in(zone, year) for year in range(first - 1, last + 2)]
    starts, offsets = (np.concatenate(each) for each in zip(*parts, strict=True))
    # The clock of the first year goes on before it.
    starts[0] = min(starts[0], np.iinfo(np.int64).min // 2)
    return starts, offsets


@lru_cache(maxsize=4096)
def _offsets_in(zone: str, year: int) -> tuple[Int64, Int64]:
    """Return since when which offset holds in one year: no zone changes twice a day."""
    found = load_zone(zone)
    day = datetime(year, 1, 1, tzinfo=UTC)
    end = datetime(year + 1, 1, 1, tzinfo=UTC)
    starts, offsets = [day], [_offset(found, day)]
    while day < end:
        following = min(day + timedelta(days=1), end)
        if _offset(found, following) != offsets[-1]:
            starts.append(_change(found, day, following))
            offsets.append(_offset(found, following))
        day = following
    moments = np.array([_nanoseconds(each) for each in starts], dtype=np.int64)
    return moments, np.array(offsets, dtype=np.int64)


def _change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the second at which the offset changes between two moments."""
    old = _offset(zone, before)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == old:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _offset(zone: tzinfo, when: datetime) -> int:
    offset = when.astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1) * 1_000


@lru_cache(maxsize=256)
def _step(zone: str) -> int:
    _, offsets = _offsets(zone, *_YEARS)
    whole = not (offsets % NANOSECONDS["h"]).any()
    return NANOSECONDS["h"] if whole else NANOSECONDS["h"] // 4


def _text(offset: int) -> str:
    """Format an offset.

    >>> _text(19_800_000_000_000), _text(-3_600_000_000_000)
    ('+05:30', '-01:00')
    """
    minutes = abs(offset) // NANOSECONDS["min"]
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
