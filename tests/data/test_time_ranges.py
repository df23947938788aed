"""The first and last timestamp of a Parquet file."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.data.time_ranges import TimeRange, enclosing, time_ranges
from aedetect.timestamps import parse_instant

FIRST, LAST = datetime(2026, 1, 1, 6, 30), datetime(2026, 1, 3)


def range_of(path, values, kind, **options):
    """Write one time column and read its range."""
    pq.write_table(pa.table({"t": pa.array(values, kind)}), path, **options)
    with pq.ParquetFile(path) as parquet:
        found = enclosing(time_ranges(parquet, "t"))
    return None if found is None else (found.first, found.last)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("statistics", [True, False])
def test_range_is_the_same_from_footer_and_values(tmp_path, unit, statistics):
    """For any unit, with or without statistics, the range is exact."""
    found = range_of(
        tmp_path / "x", [LAST, None, FIRST], pa.timestamp(unit), write_statistics=statistics
    )
    assert found == (parse_instant(FIRST.isoformat()), parse_instant(LAST.isoformat()))


def test_range_of_zoned_times_is_in_utc(tmp_path):
    """A zone only affects how a timestamp is displayed."""
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    found = range_of(tmp_path / "x", [moment], pa.timestamp("us", tz="Europe/Berlin"))
    assert found == (parse_instant("2026-01-01T12:00"),) * 2


def test_range_of_dates_is_their_midnights(tmp_path):
    """A date is its midnight."""
    found = range_of(tmp_path / "x", [date(2026, 1, 2), date(2026, 1, 1)], pa.date32())
    assert found == (parse_instant("2026-01-01"), parse_instant("2026-01-02"))


def test_range_covers_all_row_groups(tmp_path):
    """Also if the rows are not in order, and if a group has no timestamp."""
    times = [LAST, FIRST, None, None, FIRST]
    found = range_of(tmp_path / "x", times, pa.timestamp("us"), row_group_size=2)
    assert found == (parse_instant(FIRST.isoformat()), parse_instant(LAST.isoformat()))


def test_each_row_group_has_its_range_and_its_rows(tmp_path):
    """A plan needs them to find the row groups of a partition."""
    pq.write_table(
        pa.table({"t": pa.array([FIRST, LAST, LAST], pa.timestamp("us"))}),
        tmp_path / "x",
        row_group_size=2,
    )
    with pq.ParquetFile(tmp_path / "x") as parquet:
        first, second = time_ranges(parquet, "t")
    assert (first.rows, second.rows) == (2, 1)
    assert (first.last, second.first) == (second.last, second.last)


@pytest.mark.parametrize("values", [[], [None, None]])
def test_no_moment_is_no_range(tmp_path, values):
    """Without rows, or without any timestamp."""
    assert range_of(tmp_path / "x", values, pa.timestamp("us")) is None


def test_text_is_no_time(tmp_path):
    """A column of texts has no range, for any content."""
    assert range_of(tmp_path / "x", ["2026-01-01"], pa.string()) is None


def test_legacy_int96_times_are_read(tmp_path):
    """Old versions of Spark and Impala write times without usable statistics."""
    found = range_of(
        tmp_path / "x", [FIRST, LAST], pa.timestamp("ns"), use_deprecated_int96_timestamps=True
    )
    assert found == (pd.Timestamp(FIRST).value, pd.Timestamp(LAST).value)


def test_a_range_meets_a_span_that_includes_its_first_and_excludes_its_last():
    """Spans are half open, ranges are closed."""
    known = TimeRange(10, 20)
    assert known.meets(20, 21)
    assert known.meets(0, 11)
    assert not known.meets(0, 10)
    assert not known.meets(21, 30)
