"""Partitions: the partition of a timestamp, and the name of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aedetect.output import Partition
from aedetect.output.partitions import parse_folder, partition_at
from aedetect.timestamps import NANOSECONDS, parse_instant

MOMENTS = st.integers(parse_instant("1900-01-01"), parse_instant("2200-01-01"))


@given(MOMENTS, st.sampled_from(["day", "hour"]))
def test_partition_holds_its_moment(moment, by):
    """A timestamp lies in its partition, and the folder is unique to the partition."""
    partition = partition_at(moment, by)
    assert partition.start <= moment < partition.end
    assert parse_folder(partition.folder) == partition


@pytest.mark.parametrize(
    ("text", "by", "folder"),
    [
        ("2026-03-01T00:00", "day", "date=2026-03-01"),
        ("2026-02-28T23:59:59.999999", "day", "date=2026-02-28"),
        ("2026-03-01T00:00", "hour", "date=2026-03-01/hour=00"),
        ("2026-02-28T23:59:59.999999", "hour", "date=2026-02-28/hour=23"),
        ("1969-12-31T23:30", "hour", "date=1969-12-31/hour=23"),
    ],
)
def test_a_border_belongs_to_the_partition_that_starts_there(text, by, folder):
    """Midnight is the start of its day, before 1970 too."""
    assert partition_at(parse_instant(text), by).folder == folder


def test_partitions_follow_on_each_other():
    """The end of one is the start of the next."""
    day = partition_at(0, "day")
    assert (day.end, str(day)) == (NANOSECONDS["d"], "1970-01-01")
    assert str(partition_at(day.end, "hour")) == "1970-01-02 00"


@pytest.mark.parametrize(
    "folder", ["date=2026-02-30", "date=2026-1-1", "2026-01-01", "date=2026-01-01/hour=1", "."]
)
def test_other_folders_are_no_partition(folder):
    """Folders that aedetect would not write are not partitions."""
    assert parse_folder(folder) is None


def test_path_of_a_file():
    """Kinds are in separate folders, with one file per partition."""
    path = Partition(0, "day").path(Path("out"), "flagged")
    assert path == Path("out/flagged/date=1970-01-01/part-0.parquet")
