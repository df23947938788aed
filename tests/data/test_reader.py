"""Reading Parquet files in order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.data import Feature, Query, Rows, Schema, find_files, open_engine, read_rows, reader
from aedetect.data.row_filter import columns_in
from aedetect.data.row_order import text_codes
from aedetect.data.scan import identifier
from aedetect.errors import ConfigError, UnreadableFile


@pytest.fixture
def rows_of(tmp_path):
    """Read all rows of the files in a folder."""

    def rows_of(folder, *, entity="unit", categories=None, **bounds):
        query = Query(
            files=find_files([str(folder)], timestamp="time").files,
            timestamp="time",
            entity=entity,
            categories=categories or {"a": (), "b": ()},
            **bounds,
        )
        with open_engine(memory_mb=200, scratch=tmp_path) as connection:
            return list(read_rows(connection, query))

    return rows_of


def test_a_query_of_a_schema_reads_its_features_and_then_further_numbers():
    """In the order of the model's columns; a label is last."""
    features = (Feature("mode", "category", ("off", "on")), Feature("load", "number"))
    schema = Schema(
        timestamp="t", aware=False, entity="u", features=features, context=(), period=1, max_gap=5
    )
    query = Query.of(schema, [], numbers=("label",), where="load > 0", start=1, end=2)
    assert list(query.categories.items()) == [("mode", ("off", "on")), ("load", ()), ("label", ())]
    assert (query.timestamp, query.entity, query.where) == ("t", "u", "load > 0")
    assert (query.start, query.end) == (1, 2)


def flat(batches):
    """Rows as a table, with the names of the entities."""
    return pd.concat(
        pd.DataFrame(batch.values).assign(
            time=batch.time, unit=np.array(batch.names, dtype=object)[batch.entity]
        )
        for batch in batches
    ).reset_index(drop=True)


def test_rows_come_by_entity_and_time_though_files_are_not(tmp_path, rows_of, make_frame, write):
    """Unsorted files, and an entity split over files, give the rows of one sorted file."""
    frame = make_frame(rows=50)
    write(frame, tmp_path / "one" / "x.parquet")
    shuffled = frame.sample(frac=1, random_state=0)
    for number in range(3):
        write(shuffled[number::3], tmp_path / "three" / f"{number}.parquet")
    pd.testing.assert_frame_equal(
        flat(rows_of(tmp_path / "three")), flat(rows_of(tmp_path / "one"))
    )


def test_values_are_row_major(tmp_path, rows_of, make_frame, write):
    """Windows are cut from row-major arrays only."""
    write(make_frame(rows=5), tmp_path / "x.parquet")
    for batch in rows_of(tmp_path):
        assert vars(batch)["values"].flags.c_contiguous


def test_bounds_include_the_start_and_exclude_the_end(tmp_path, rows_of, make_frame, write):
    """To the microsecond, the resolution of such a file."""
    frame = make_frame(units=("east",), rows=10)
    write(frame, tmp_path / "x.parquet")
    first = frame["time"].astype("datetime64[ns]").astype("int64").tolist()
    (batch,) = rows_of(tmp_path, start=first[2], end=first[5])
    assert batch.time.tolist() == first[2:5]
    (batch,) = rows_of(tmp_path, start=first[2] + 1_000, end=first[5] + 1_000)
    assert batch.time.tolist() == first[3:6]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_are_read_in_every_unit_and_zone(tmp_path, rows_of, unit, zone):
    """The same time in all representations, also in comparisons."""
    moment = pd.Timestamp("2026-03-08 07:30", tz="UTC").value
    time = pa.array([moment], pa.timestamp("ns", tz=zone)).cast(pa.timestamp(unit, tz=zone))
    pq.write_table(pa.table({"time": time, "a": [1.0]}), tmp_path / "x.parquet")
    only = {"entity": None, "categories": {"a": ()}}
    (batch,) = rows_of(tmp_path, **only, start=moment, end=moment + 1_000)
    assert batch.time.tolist() == [moment]
    assert rows_of(tmp_path, **only, start=moment + 10**9) == []


def test_dates_are_their_midnights(tmp_path, rows_of):
    """A daily table needs no cast."""
    days = pa.array([1, 0], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"time": days, "a": [1.0, 0.0]}), tmp_path / "x.parquet")
    (batch,) = rows_of(tmp_path, entity=None, categories={"a": ()}, start=0, end=1_000)
    assert batch.time.tolist() == [0]
    assert batch.names == (None,)


def test_rows_without_a_timestamp_are_not_read(tmp_path, rows_of, make_frame, write):
    """They have no position in time."""
    frame = make_frame(units=("east",), rows=10)
    frame.loc[3, "time"] = pd.NaT
    write(frame, tmp_path / "x.parquet")
    assert sum(len(batch) for batch in rows_of(tmp_path)) == 9


def test_a_filter_is_sql(tmp_path, rows_of, make_frame, write):
    """Rows that do not match are not read."""
    write(make_frame(rows=10), tmp_path / "x.parquet")
    batches = rows_of(tmp_path, where="unit = 'west' OR a > 100", mentioned=("unit", "a"))
    assert flat(batches)["unit"].unique().tolist() == ["west"]


def test_texts_become_their_index(tmp_path, rows_of):
    """An unseen text is -1, a missing one is NaN; booleans are 0 and 1."""
    table = pa.table(
        {
            "time": pa.array(range(4), pa.timestamp("s")),
            "mode": pa.array(["fast", "eco", "new", None]).dictionary_encode(),
            "on": [True, None, False, True],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    (batch,) = rows_of(tmp_path, entity=None, categories={"mode": ("eco", "fast"), "on": ()})
    np.testing.assert_array_equal(batch.values, [[1, 1], [0, np.nan], [-1, 0], [np.nan, 1]])


def test_text_codes_of_a_sliced_column():
    """A slice of an Arrow array has an offset."""
    column = pa.array(["x", "b", None, "a"])[1:]
    np.testing.assert_array_equal(text_codes(column, ("a", "b")), [1, np.nan, 0])


def test_entities_that_are_numbers_are_named_by_their_text(tmp_path, rows_of, make_frame, write):
    """Entities in the output are text."""
    frame = make_frame(rows=2).assign(unit=[7, 7, 10, 10])
    write(frame, tmp_path / "x.parquet")
    assert flat(rows_of(tmp_path))["unit"].tolist() == ["10", "10", "7", "7"]


def test_an_entity_in_the_path_is_read(tmp_path, rows_of, make_frame, write):
    """As key=value, and with its leading zeros."""
    frame = make_frame(units=("x",), rows=3).drop(columns="unit")
    write(frame, tmp_path / "unit=007" / "x.parquet")
    assert flat(rows_of(tmp_path))["unit"].tolist() == ["007"] * 3


def test_names_with_quotes_and_spaces_are_columns_like_others(tmp_path, rows_of, make_frame, write):
    """Names and paths are quoted."""
    odd = 'the "load" of a'
    write(make_frame(rows=3).rename(columns={"a": odd}), tmp_path / "it's" / "x.parquet")
    (batch,) = rows_of(tmp_path / "it's", categories={odd: ()})
    assert len(batch) == 6
    assert identifier(odd) == '"the ""load"" of a"'


def test_a_corrupt_page_is_an_error_that_names_the_file(tmp_path, rows_of, make_frame, write):
    """The footer is fine, the data are not."""
    write(make_frame(), tmp_path / "good.parquet")
    path = write(make_frame(seed=1), tmp_path / "bad.parquet")
    content = bytearray(path.read_bytes())
    foot = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[foot - 3000 : foot] = b"\xff" * 3000
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableFile, match=r"^bad\.parquet cannot be read to the end.*restore"):
        rows_of(tmp_path)


@pytest.mark.parametrize(("rows", "columns"), [(500_000, 10), (30_000, 100)])
def test_row_groups_and_wide_tables_that_are_larger_than_the_memory_are_read(
    tmp_path, monkeypatch, rows, columns
):
    """Pandas writes a million rows to a group, and each column of a wide table has its page."""
    monkeypatch.setattr(reader, "WHOLE_CELLS", 0)
    names = [f"f{number}" for number in range(columns)]
    numbers = np.random.default_rng(0).normal(size=rows)
    table = {"time": pa.array(np.arange(rows)[::-1], pa.timestamp("s"))} | dict.fromkeys(
        names, pa.array(numbers)
    )
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(table), path, use_dictionary=False, compression="none")
    assert pq.read_metadata(path).num_row_groups == 1
    files = find_files([str(path)], timestamp="time").files
    query = Query(files=files, timestamp="time", entity=None, categories=dict.fromkeys(names, ()))
    with open_engine(memory_mb=16, scratch=tmp_path, files=files) as connection:
        read = list(read_rows(connection, query))
    assert np.array_equal(np.concatenate([each.time for each in read]), np.arange(rows) * 10**9)
    assert np.array_equal(np.concatenate([each.values[:, 0] for each in read]), numbers[::-1])


def test_columns_in_a_condition_are_found(tmp_path):
    """In functions, comparisons and qualified names."""
    with open_engine(memory_mb=100, scratch=tmp_path) as connection:
        assert columns_in(connection, "state = 'on' AND abs(\"the x\") < 1") == {"state", "the x"}


@pytest.mark.parametrize("condition", ["state = ", "1) OR 2", "drop table x"])
def test_what_is_no_condition_is_refused(tmp_path, condition):
    """The message names the setting, with an example."""
    with (
        open_engine(memory_mb=100, scratch=tmp_path) as connection,
        pytest.raises(ConfigError, match=r"\[data\] normal must be a SQL condition.*write for"),
    ):
        columns_in(connection, condition)


def test_duplicates_and_starts_are_by_entity():
    """The same time in two entities is not a duplicate."""
    rows = Rows(
        time=np.array([1, 1, 1, 2]),
        entity=np.array([0, 0, 1, 1], dtype=np.int32),
        names=("a", "b"),
        values=np.zeros((4, 1)),
    )
    assert rows.duplicates.tolist() == [False, True, False, False]
    assert rows.starts.tolist() == [True, False, True, False]


def test_large_tables_come_in_batches(tmp_path, rows_of):
    """A batch has a limited number of rows, and rows are in order across batches."""
    count = reader.BATCH_ROWS * 2 + 5
    time = pa.array(np.arange(count)[::-1], pa.timestamp("s"))
    pq.write_table(pa.table({"time": time, "a": np.arange(count)}), tmp_path / "x.parquet")
    batches = rows_of(tmp_path, entity=None, categories={"a": ()})
    assert max(len(batch) for batch in batches) <= reader.BATCH_ROWS
    assert (np.diff(np.concatenate([batch.time for batch in batches])) > 0).all()
