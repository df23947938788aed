"""The first and last timestamp of a Parquet file, from the statistics in its footer if present.

Files that are read batch by batch are opened with `pre_buffer=False`: otherwise, pyarrow 25 keeps
all data read until the file is closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.arrays import Int64
from aedetect.errors import UnreadableFile
from aedetect.timestamps import FIRST_MOMENT, LAST_MOMENT

_PER_UNIT = {"milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1}
HOUR = 3_600_000_000_000  # nanoseconds
_DAY = 86_400_000_000_000  # nanoseconds
_PER_ARROW_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_WIDE = 1_000_000  # hours between the first and the last from which on they are sorted to count


@dataclass(frozen=True)
class TimeRange:
    """First and last timestamp, both inclusive, in nanoseconds since 1970."""

    first: int
    last: int
    rows: int = 0  # with a timestamp

    def meets(self, start: int, end: int) -> bool:
        """Whether the range overlaps [start, end)."""
        return self.first < end and self.last >= start


@dataclass(frozen=True)
class Moments:
    """What a time column holds, as it was read."""

    groups: tuple[TimeRange, ...] = ()  # of row groups that hold moments
    hours: Mapping[int, int] = field(default_factory=dict)  # start (ns) of each, or step -> rows
    beyond: int = 0  # rows whose timestamp no one can compute with: infinite, or of year 9999


def read_moments(parquet: pq.ParquetFile, column: str, *, step: int = HOUR) -> Moments:
    """Read a time column; raise UnreadableFile when the footer contradicts it.

    Rows are counted by hours, or by another step (ns) where days begin within an hour of UTC.
    Whoever believes the footer skips row groups that have rows in them.
    """
    kind = parquet.schema_arrow.field(column).type
    if not _is_time(kind):
        return Moments()
    factor = _DAY if pa.types.is_date32(kind) else _PER_ARROW_UNIT[getattr(kind, "unit", "ms")]
    groups, hours, beyond = [], dict[int, int](), 0
    for number in range(parquet.metadata.num_row_groups):
        batches = parquet.iter_batches(
            1 << 18, row_groups=[number], columns=[column], use_threads=False
        )
        parts = [_raw(batch.column(0)) for batch in batches]
        raw = np.concatenate(parts) if parts else np.empty(0, np.int64)
        _check_statistics(parquet, number, column, raw, factor)
        within = raw[(raw >= -(-FIRST_MOMENT // factor)) & (raw < LAST_MOMENT // factor)] * factor
        beyond += len(raw) - len(within)
        if len(within):
            groups.append(TimeRange(int(within.min()), int(within.max()), len(within)))
        for hour, rows in _count_hours(within, step):
            hours[hour] = hours.get(hour, 0) + rows
    return Moments(tuple(groups), hours, beyond)


def _raw(column: pa.Array) -> Int64:
    """Return the moments of a column in its own unit, without the missing ones."""
    plain = column.drop_null()
    integers = plain.view(pa.int32() if pa.types.is_date32(plain.type) else pa.int64())
    return np.asarray(integers.to_numpy(), dtype=np.int64)


def _count_hours(moments: Int64, step: int) -> list[tuple[int, int]]:
    """Return the start (ns) and the number of rows of each hour, or step, that has any."""
    if not len(moments):
        return []
    hours = moments // step
    first = int(hours.min())
    if int(hours.max()) - first < _WIDE:
        counts = np.bincount(hours - first)
        found = np.flatnonzero(counts)
        counts, found = counts[found], found + first
    else:
        found, counts = np.unique(hours, return_counts=True)
    return list(zip((found * step).tolist(), counts.tolist(), strict=True))


def _check_statistics(
    parquet: pq.ParquetFile, group: int, column: str, raw: Int64, factor: int
) -> None:
    """Raise UnreadableFile when the statistics of a row group do not hold for its values."""
    paths = [parquet.schema.column(leaf).path for leaf in range(len(parquet.schema))]
    index = paths.index(column)
    per = _nanoseconds_per_unit(parquet.schema.column(index).logical_type.to_json())
    rows = parquet.metadata.row_group(group)
    statistics = rows.column(index).statistics
    if statistics is None or per is None:
        return
    wrong = statistics.has_null_count and statistics.null_count != rows.num_rows - len(raw)
    if statistics.has_min_max and len(raw):
        low, high = statistics.min_raw * per, statistics.max_raw * per
        wrong |= int(raw.min()) * factor < low or int(raw.max()) * factor > high
    if wrong:
        reason = f'has a footer that is not true of its column "{column}"'
        raise UnreadableFile(f"{reason}: write it again", reasons={})


def time_ranges(parquet: pq.ParquetFile, column: str) -> tuple[TimeRange, ...]:
    """Return the range of a time column in each row group with timestamps.

    Uses the footer's statistics if every row group has them; otherwise reads the column.
    """
    if not _is_time(parquet.schema_arrow.field(column).type):
        return ()
    from_footer = _from_statistics(parquet, column)
    return from_footer if from_footer is not None else _from_values(parquet, column)


def enclosing(ranges: Iterable[TimeRange]) -> TimeRange | None:
    """Return the range from the first to the last timestamp of all; None if there is none."""
    listed = list(ranges)
    if not listed:
        return None
    first, last = min(each.first for each in listed), max(each.last for each in listed)
    return TimeRange(first, last, sum(each.rows for each in listed))


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _from_statistics(parquet: pq.ParquetFile, column: str) -> tuple[TimeRange, ...] | None:
    metadata = parquet.metadata
    paths = [parquet.schema.column(leaf).path for leaf in range(len(parquet.schema))]
    index = paths.index(column)
    factor = _nanoseconds_per_unit(parquet.schema.column(index).logical_type.to_json())
    ranges = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        statistics = group.column(index).statistics
        complete = statistics is not None and statistics.has_min_max and statistics.has_null_count
        if factor is None or not complete:
            return None
        low, high = statistics.min_raw * factor, statistics.max_raw * factor
        ranges.append(TimeRange(low, high, group.num_rows - statistics.null_count))
    return tuple(ranges)


def _nanoseconds_per_unit(logical_type: str) -> int | None:
    """Read the unit from the logical type in Parquet, e.g. {"Type": "Timestamp", ...}."""
    described = json.loads(logical_type)
    if described.get("Type") == "Date":
        return _DAY
    return _PER_UNIT.get(described.get("timeUnit", ""))


def _from_values(parquet: pq.ParquetFile, column: str) -> tuple[TimeRange, ...]:
    ranges = []
    for batch in parquet.iter_batches(1 << 18, columns=[column], use_threads=False):
        bounds = pc.min_max(batch.column(0).cast(pa.timestamp("ns")).cast(pa.int64())).as_py()
        if bounds["min"] is not None:
            dated = batch.num_rows - batch.column(0).null_count
            ranges.append(TimeRange(bounds["min"], bounds["max"], dated))
    return tuple(ranges)
