"""The files of an output by kind and time; how few are opened to read a range."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flags import FIRST, MIDNIGHT, SECOND, THIRD, flag, formed, row
from hypothesis import given
from hypothesis import strategies as st

from aedetect.errors import OutputError
from aedetect.events import read_event_table
from aedetect.output import atomic, files, list_files
from aedetect.output.catalog import REACH_KEY, list_event_files
from aedetect.output.filesystem import open_input
from aedetect.output.partitions import EVENTS, FLAGGED, SCORES, Span, partition_at
from aedetect.timestamps import NANOSECONDS, parse_instant

_DAY, _MINUTE = NANOSECONDS["d"], NANOSECONDS["min"]


@contextmanager
def opened(below):
    """Yield the files below a folder that are opened in the body, each once."""
    found: set[str] = set()

    def hear(path):
        found.add(path.relative_to(below).as_posix())
        return open_input(path)

    with patch.object(files, "open_input", hear), patch.object(atomic, "open_input", hear):
        yield found


def day(number):
    """The partition some days after the first."""
    return partition_at(FIRST.start + number * _DAY, "day")


def read_all(output, since, until):
    """Every event of every file that reaches into a range, by its name."""
    tables = [pq.ParquetFile(file.path).read() for file in list_files(output, EVENTS)]
    rows = [each for table in tables for each in table.to_pylist()]
    reach = [
        each["event_id"]
        for each in rows
        if (since is None or _ns(each["end"]) >= since)
        and (until is None or _ns(each["start"]) < until)
    ]
    return sorted(reach)


def _ns(moment):
    return parse_instant(moment.isoformat())


@pytest.fixture
def month(tmp_path):
    """Thirty days with one event of three rows each."""
    for number in range(30):
        at = (number - 1) * 24 * 60 + 600
        flag(tmp_path, day(number), row(at), row(at + 2), row(at + 4))
    formed(tmp_path)
    return tmp_path


def test_the_last_day_is_read_from_one_file(month):
    """Of thirty."""
    since = day(29).start
    with opened(month) as files:
        found = read_event_table(month, since=since, suppressed=True)
    assert files == {f"events/{day(29).folder}/part-0.parquet"}
    assert found["event_id"].to_pylist() == read_all(month, since, None)


def test_a_range_in_the_middle_is_read_from_its_files(month):
    """Partly covered days at both ends are read, the others are not."""
    since, until = day(9).end - 1, day(12).start + 1
    with opened(month) as files:
        found = read_event_table(month, since=since, until=until)
    assert files == {f"events/{day(n).folder}/part-0.parquet" for n in range(9, 13)}
    assert sorted(found["event_id"].to_pylist()) == read_all(month, since, until)


def test_a_range_without_files_opens_one_file(month):
    """Before all data and after it; the file is opened for the columns."""
    for since, until in ((day(40).start, None), (None, day(-3).start)):
        with opened(month) as files:
            found = read_event_table(month, since=since, until=until)
        assert (found.num_rows, len(files)) == (0, 1)
        assert found.schema.names == read_event_table(month).schema.names


def test_an_event_that_began_days_before_is_read(tmp_path):
    """From the file of its start and those in between; earlier files are not opened."""
    for number in range(10):
        flag(tmp_path, day(number))
    hours = [row((number - 1) * 60 + 24 * 60 * 4) for number in range(60)]  # from day 5 on
    for number in range(5, 8):
        start = day(number).start
        flag(tmp_path, day(number), *(each for each in hours if _is_in(each, start)))
    formed(tmp_path, merge_gap="2h")
    with opened(tmp_path) as files:
        found = read_event_table(tmp_path, since=day(7).start)
    assert found.num_rows == 1
    assert found["start"][0].as_py() == (MIDNIGHT + timedelta(days=4)).replace(tzinfo=None)
    assert files == {f"events/{day(n).folder}/part-0.parquet" for n in range(5, 10)}


def _is_in(each, start):
    return start <= _ns(each["timestamp"]) < start + _DAY


def test_an_event_over_a_gap_of_days_is_read_in_the_gap(tmp_path):
    """Also if there is no file in the gap and no end of the range."""
    flag(tmp_path, day(0), row(-10))
    flag(tmp_path, day(4), row(3 * 24 * 60 + 10))
    formed(tmp_path, merge_gap="10d")
    since, until = day(2).start, day(3).start
    assert read_event_table(tmp_path, since=since, until=until).num_rows == 1
    assert read_all(tmp_path, since, until) != []


def test_files_of_earlier_versions_are_all_read(month):
    """Their footers do not record how far events reach."""
    for file in list_files(month, EVENTS):
        table = pq.ParquetFile(file.path).read()
        metadata = {k: v for k, v in table.schema.metadata.items() if k != REACH_KEY}
        pq.write_table(table.replace_schema_metadata(metadata), file.path)
    with opened(month) as files:
        assert read_event_table(month, since=day(29).start).num_rows == 1
    assert len(files) == 30


@given(
    moments=st.lists(st.integers(-1440, 6 * 1440), min_size=1, max_size=40, unique=True),
    merge_gap=st.sampled_from(["1min", "2h", "30h", "4d"]),
    since=st.one_of(st.none(), st.integers(-2000, 7 * 1440)),
    length=st.one_of(st.none(), st.integers(0, 3 * 1440)),
    units=st.sampled_from([("a",), ("a", "b", None)]),
)
def test_reading_a_range_is_as_exact_as_reading_everything(
    tmp_path_factory, moments, merge_gap, since, length, units
):
    """For any days with files, and any length of events."""
    output = tmp_path_factory.mktemp("output")
    rows = [row(each, units[n % len(units)]) for n, each in enumerate(sorted(moments))]
    for number in {(each + 1440) // 1440 for each in moments}:
        flag(output, day(number), *(each for each in rows if _is_in(each, day(number).start)))
    formed(output, merge_gap=merge_gap)
    until = None if length is None or since is None else _at(since + length)
    since = None if since is None else _at(since)
    found = read_event_table(output, since=since, until=until, suppressed=True)
    assert sorted(found["event_id"].to_pylist()) == read_all(output, since, until)
    span = Span(since, until)
    assert set(list_event_files(output, span)) <= set(list_files(output, EVENTS))


def _at(minute):
    return parse_instant((MIDNIGHT + timedelta(minutes=minute)).isoformat())


def test_how_far_events_reach_does_not_depend_on_the_order_of_runs(tmp_path):
    """A day that arrives late updates the footers of later days as if it had come in order."""
    other = tmp_path / "other"
    days = {FIRST: [row(-2), row(-1)], SECOND: [row(1), row(1439)], THIRD: [row(1441)]}
    for partition, rows in days.items():
        flag(tmp_path, partition, *rows)
    formed(tmp_path)
    for partition in (THIRD, FIRST, SECOND):
        flag(other, partition, *days[partition])
        formed(other)
    for partition in days:
        path = partition.path(tmp_path, EVENTS)
        assert path.read_bytes() == partition.path(other, EVENTS).read_bytes()
    reach = [pq.read_metadata(p.path(other, EVENTS)).metadata[REACH_KEY] for p in days]
    start = _ns(MIDNIGHT - timedelta(minutes=2))
    assert reach == [b"null", str(start).encode(), str(start + 1441 * _MINUTE).encode()]


def test_a_kind_is_listed_by_time_and_range(month):
    """Opening one file, for the zone of its days; other kinds and other files do not count."""
    (month / FLAGGED / "notes.parquet").write_bytes(b"")
    with opened(month) as files:
        every = list_files(month, FLAGGED)
        some = list_files(month, FLAGGED, span=Span(day(3).start, day(5).start))
    assert [file.partition for file in every] == [day(n) for n in range(30)]
    assert [file.partition for file in some] == [day(3), day(4)]
    assert files == {f"{FLAGGED}/{day(3).folder}/part-0.parquet"}
    assert list_files(month, SCORES) == ()


def test_who_writes_refuses_files_of_others(month):
    """Also files with another length of partition."""
    with pytest.raises(OutputError, match='must be partitioned by "hour"'):
        list_files(month, FLAGGED, by="hour")
    (month / FLAGGED / "notes.parquet").write_bytes(b"")
    with pytest.raises(OutputError, match=r"notes\.parquet was not written by aedetect"):
        list_files(month, FLAGGED, by="day")


def test_a_file_is_read_by_columns_and_in_batches(month):
    """Metadata in its footer is not part of the table."""
    file = list_files(month, FLAGGED)[0]
    table = file.read(["score", "entity"])
    assert (table.schema.names, table.schema.metadata) == (["score", "entity"], None)
    batches = list(file.batches(["score", "entity"], size=2))
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert pa.Table.from_batches(batches).equals(table.combine_chunks())
    assert file.schema().metadata is None
    times = file.times("timestamp")
    assert np.diff([times.first, times.last]).tolist() == [4 * _MINUTE]
    assert file.origin().model_name == "pump"


def test_a_damaged_file_is_named(month):
    """With the remedy, however it is read."""
    file = list_files(month, EVENTS)[3]
    file.path.write_bytes(b"PAR1 and nothing else")
    for look in (file.read, file.schema, file.footer, lambda: list(file.batches())):
        with pytest.raises(OutputError, match=r"or is damaged .* move it away"):
            look()


def test_a_folder_that_cannot_be_listed_is_not_empty(month, monkeypatch):
    """It is refused by name: if taken for empty, its rows would be computed again or withdrawn."""
    closed, real = str(month / EVENTS / day(3).folder), os.scandir

    def scandir(path):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(list_files(month, FLAGGED)) == 30
    with pytest.raises(OutputError, match=r"date=2026-02-04 cannot be listed \(Permission denied"):
        list_files(month, EVENTS)
