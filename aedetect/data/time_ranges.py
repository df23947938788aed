"""The first and last timestamp of a Parquet file, from the statistics in its footer if present.

Files that are read batch by batch are opened with `pre_buffer=False`: otherwise, pyarrow 25 keeps
all data read until the file is closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_PER_UNIT = {"milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1}
_HOUR = 3_600_000_000_000  # nanoseconds
_DAY = 86_400_000_000_000  # nanoseconds


@dataclass(frozen=True)
class TimeRange:
    """First and last timestamp, both inclusive, in nanoseconds since 1970."""

    first: int
    last: int
    rows: int = 0  # with a timestamp

    def meets(self, start: int, end: int) -> bool:
        """Whether the range overlaps [start, end)."""
        return self.first < end and self.last >= start


def time_ranges(parquet: pq.ParquetFile, column: str) -> tuple[TimeRange, ...]:
    """Return the range of a time column in each row group with timestamps.

    Uses the footer's statistics if every row group has them; otherwise reads the column.
    """
    if not _is_time(parquet.schema_arrow.field(column).type):
        return ()
    from_footer = _from_statistics(parquet, column)
    return from_footer if from_footer is not None else _from_values(parquet, column)


def occupied_hours(parquet: pq.ParquetFile, column: str) -> set[int]:
    """Return the starts of the hours with timestamps of a time column, in ns."""
    starts: set[int] = set()
    for batch in parquet.iter_batches(batch_size=1 << 18, columns=[column]):
        moments = batch.column(0).drop_null().cast(pa.timestamp("ns")).cast(pa.int64())
        starts |= set((np.unique(moments.to_numpy() // _HOUR) * _HOUR).tolist())
    return starts


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
    for batch in parquet.iter_batches(batch_size=1 << 18, columns=[column]):
        bounds = pc.min_max(batch.column(0).cast(pa.timestamp("ns")).cast(pa.int64())).as_py()
        if bounds["min"] is not None:
            dated = batch.num_rows - batch.column(0).null_count
            ranges.append(TimeRange(bounds["min"], bounds["max"], dated))
    return tuple(ranges)
