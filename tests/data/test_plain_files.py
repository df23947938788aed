"""Files that are read without a database give the rows that the database gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.data.plain_files import is_plain, read_plain
from aedetect.errors import UnreadableFile

ROWS = 3_000
CATEGORIES = dict.fromkeys(("single", "double", "whole", "large", "flag", "gone"), ())
CATEGORIES |= {"state": ("off", "on"), "mode": ("a",)}


def table(number, *, unit="us", zone=None):
    """Rows of several entities, with all that a plain file may hold."""
    random = np.random.default_rng(number)
    moments = random.integers(1_760_000_000, 1_760_090_000, ROWS)
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    undated = random.random(ROWS) < 0.01
    double = random.normal(size=ROWS)
    double[::7], double[::11], double[::13] = np.nan, np.inf, -0.0
    some = random.random(ROWS) < 0.1
    columns = {
        "time": pa.array(moments * per, pa.timestamp(unit, tz=zone), mask=undated),
        "unit": random.choice(np.array(["b", "a", "é", "", None], dtype=object), ROWS).tolist(),
        "single": pa.array(random.normal(size=ROWS).astype(np.float32), mask=some),
        "double": pa.array(double, mask=np.roll(some, 1)),
        "whole": pa.array(random.integers(-5, 5, ROWS).astype(np.int16), mask=np.roll(some, 2)),
        "large": pa.array(random.integers(2**53, 2**63, ROWS), pa.uint64()),
        "flag": pa.array(random.random(ROWS) < 0.5, mask=np.roll(some, 3)),
        "state": random.choice(np.array(["on", "off", "new", None], dtype=object), ROWS).tolist(),
        "mode": pa.array(["a"] * ROWS, pa.large_string()),
    }
    if number:
        columns["gone"] = pa.array(random.integers(-(2**63), 2**63, ROWS), pa.int64())
    return pa.table(columns)


def queried(folder, **kwargs):
    """A query of all columns of the files of a folder."""
    files = find_files([str(folder)], timestamp="time").files
    return Query(files=files, timestamp="time", entity="unit", categories=CATEGORIES, **kwargs)


def content(batches):
    """All that batches hold, row by row."""
    listed = list(batches)
    names = [each.names[code] for each in listed for code in each.entity.tolist()]
    times = np.concatenate([each.time for each in listed])
    return names, times.tolist(), np.concatenate([each.values for each in listed]).tobytes()


def both(query, scratch):
    """The rows without and with the database."""
    with open_engine(memory_mb=100, scratch=scratch) as connection:
        return content(read_plain(query)), content(read_rows(connection, query))


@pytest.mark.parametrize(("unit", "zone"), [("ms", None), ("us", "Europe/Berlin"), ("ns", "UTC")])
def test_rows_are_those_of_the_database(tmp_path, unit, zone):
    """To the last bit: numbers, texts, missing cells, undated rows, columns that a file lacks."""
    folder = tmp_path / "input"
    folder.mkdir()
    for number in range(2):
        given = table(number, unit=unit, zone=zone)
        pq.write_table(given, folder / f"{number}.parquet", row_group_size=700)
    query = queried(folder)
    assert is_plain(query)
    here, there = both(query, tmp_path)
    assert here == there
    assert len(here[0]) > 1.9 * ROWS
    start = int(datetime(2025, 10, 9, 12, tzinfo=UTC).timestamp()) * 10**9
    bounded = replace(query, start=start, end=start + 7_200 * 10**9)
    here, there = both(bounded, tmp_path)
    assert here == there
    assert 0 < len(here[0]) < ROWS


@pytest.mark.parametrize("late", [False, True])
def test_short_numbers_are_the_same_rows(tmp_path, late):
    """Held as 32 bits, where no file, or only a later one, has longer ones."""
    folder = tmp_path / "input"
    folder.mkdir()
    short = table(0).select(["time", "unit", "single", "whole", "flag", "state"])
    pq.write_table(short, folder / "0.parquet", row_group_size=700)
    wide = pa.array(np.random.default_rng(2).normal(size=ROWS))
    again = short.set_column(2, "single", wide) if late else short.slice(5)
    pq.write_table(again, folder / "1.parquet")
    kept = {name: CATEGORIES[name] for name in ("single", "whole", "flag", "state")}
    here, there = both(replace(queried(folder), categories=kept), tmp_path)
    assert here == there
    assert len(here[0]) > 1.9 * ROWS


def test_moments_at_the_ends_are_in_and_out(tmp_path):
    """The first moment that is asked for is read, the last is not."""
    moments = pa.array([10, 20, 30], pa.timestamp("s"))
    pq.write_table(pa.table({"time": moments, "x": [1.0, 2.0, 3.0]}), tmp_path / "a.parquet")
    query = Query(
        files=find_files([str(tmp_path)], timestamp="time").files,
        timestamp="time",
        entity=None,
        categories={"x": ()},
        start=10 * 10**9,
        end=30 * 10**9,
    )
    (rows,) = read_plain(query)
    assert rows.values.ravel().tolist() == [1.0, 2.0]


def test_what_is_not_plain_is_left_to_the_database(tmp_path):
    """Filters, numbers for missing values, names in doubt, other types, and much to leave out."""
    pq.write_table(table(1), tmp_path / "a.parquet")
    query = queried(tmp_path)
    assert is_plain(query)
    first = query.files[0]
    start = int(first.groups[0].first)
    assert not is_plain(replace(query, where="whole > 0"))
    assert not is_plain(replace(query, missing={"whole": (-9999.0,)}))
    assert not is_plain(replace(query, start=start, end=start + 1))
    assert not is_plain(replace(query, categories={"state": ()}))
    assert not is_plain(replace(query, entity="whole"))
    for changed in (
        {"columns": dict(first.columns) | {"SINGLE": pa.float64()}},
        {"columns": dict(first.columns) | {"double": pa.decimal128(5, 2)}},
        {"columns": dict(first.columns) | {"time": pa.date32()}},
        {"path": "s3://bucket/a.parquet"},
        {"beyond": 1},
    ):
        assert not is_plain(replace(query, files=[replace(first, **changed)])), changed


def test_a_damaged_file_is_named(tmp_path):
    """As the database names it."""
    path = tmp_path / "a.parquet"
    pq.write_table(table(1), path, compression="zstd")
    query = queried(tmp_path)
    content = bytearray(path.read_bytes())
    content[2_000:9_000] = bytes(7_000)
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"a\.parquet"):
        list(read_plain(query))
