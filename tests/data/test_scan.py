"""Columns are read by their exact names and own types, whatever else is in the files."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plant import DAYS, table
from plant import write as deliver

from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.data.profiling import survey
from aedetect.data.settings import DataSettings
from aedetect.errors import ConfigError, NoData

TIMES = pa.array([0, 60, 120], pa.timestamp("s"))


@pytest.fixture
def stored(tmp_path):
    """Writes columns, in their order, as one file."""

    def stored(columns, name="x.parquet"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = [pa.array(values) for _, values in columns]
        pq.write_table(pa.Table.from_arrays(arrays, [each for each, _ in columns]), path)
        return path

    return stored


@pytest.fixture
def read(tmp_path):
    """Reads all rows below a folder: entities and values."""

    def read(*names, entity=None, timestamp="time", where=None, mentioned=()):
        query = Query(
            files=find_files([str(tmp_path / "in")], timestamp=timestamp).files,
            timestamp=timestamp,
            entity=entity,
            categories=dict.fromkeys(names, ()),
            where=where,
            mentioned=mentioned,
        )
        with open_engine(memory_mb=200, scratch=tmp_path) as connection:
            batches = list(read_rows(connection, query))
        units = [each.names[code] for each in batches for code in each.entity]
        return units, np.concatenate([each.values for each in batches])

    return read


@pytest.mark.parametrize("order", [("temp", "TEMP", "Temp"), ("Temp", "TEMP", "temp")])
def test_names_that_differ_in_case_are_different_columns(stored, read, order):
    """In any order, and beside a file that has one of them alone."""
    values = {"temp": [1.0, 2.0, 3.0], "TEMP": [10.0, 20.0, 30.0], "Temp": [7.0, 8.0, 9.0]}
    stored([("time", TIMES), *((name, values[name]) for name in order)])
    assert read("temp", "TEMP", "Temp")[1].tolist() == np.transpose(list(values.values())).tolist()
    later = pa.array([180, 240], pa.timestamp("s"))
    stored([("time", later), ("temp", [4.0, 5.0])], "y.parquet")
    assert read("temp")[1][:, 0].tolist() == [1, 2, 3, 4, 5]


def test_time_entity_and_filter_are_meant_exactly(stored, read):
    """Of two names that differ in case, the configured one counts."""
    stored(
        [
            ("Time", pa.array([0, 0, 0], pa.timestamp("s"))),
            ("Unit", ["z", "z", "z"]),
            ("State", ["off", "off", "off"]),
            ("time", TIMES),
            ("unit", ["a", "b", "c"]),
            ("state", ["on", "on", "off"]),
            ("x", [1.0, 2.0, 3.0]),
        ]
    )
    units, values = read("x", entity="unit", where="state = 'on'", mentioned=("state",))
    assert (units, values[:, 0].tolist()) == (["a", "b"], [1.0, 2.0])


def test_sql_cannot_tell_two_columns_apart_by_case(stored, tmp_path):
    """A filter that names both is refused."""
    stored([("time", TIMES), ("State", [1, 1, 0]), ("state", [1, 0, 0]), ("x", [1.0, 2.0, 3.0])])
    settings = DataSettings(train="in", timestamp="time", normal='"State" = 1 and "state" = 1')
    source = find_files([str(tmp_path / "in")], timestamp="time")
    with (
        open_engine(memory_mb=200, scratch=tmp_path) as connection,
        pytest.raises(ConfigError, match='more than case, got "State" and "state": rename one'),
    ):
        survey(lambda: connection, source, settings)


def test_a_name_twice_is_quarantined(stored, tmp_path):
    """Nobody knows which of them is meant."""
    stored([("time", TIMES), ("x", [1.0, 2.0, 3.0]), ("x", [4.0, 5.0, 6.0])])
    with pytest.raises(NoData, match=r'x\.parquet: has several columns "x": rename'):
        find_files([str(tmp_path / "in")], timestamp="time")


@pytest.mark.parametrize("name", ["file_row_number", "file_index", "filename", "_file", ""])
def test_names_that_duckdb_uses_are_columns_like_others(stored, read, name):
    """Also the empty one; the order of equal moments stays that of the file."""
    same = pa.array([0, 0, 0], pa.timestamp("s"))
    stored([(name, [3.0, 2.0, 1.0]), ("time", same), ("x", [7.0, 8.0, 9.0])])
    stored([("time", same), ("x", [1.0, 2.0, 3.0]), (name, [0.0, 0.0, 0.0])], "y.parquet")
    assert read(name, "x")[1].tolist() == [[3, 7], [2, 8], [1, 9], [0, 1], [0, 2], [0, 3]]


def test_a_folder_never_replaces_a_column(stored, read):
    """Neither inside of the input nor above it, nor of a name in other case."""
    stored([("time", TIMES), ("x", [1.0, 2.0, 3.0]), ("unit", ["a"] * 3)], "x=99/UNIT=z/f.parquet")
    units, values = read("x", entity="unit")
    assert (units, values[:, 0].tolist()) == (["a"] * 3, [1, 2, 3])


def test_keys_are_read_from_the_path(stored, read):
    """Of each file its own; the default key of Hive is a missing value."""
    for number, folder in enumerate(("unit=a%20b", "unit=7", "unit=__HIVE_DEFAULT_PARTITION__")):
        stored([("time", TIMES[:1]), ("x", [float(number)])], f"{folder}/f.parquet")
    units, values = read("x", entity="unit")
    assert dict(zip(units, values[:, 0].tolist(), strict=True)) == {"a b": 0, "7": 1, None: 2}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (7, "7"),
        (7.0, "7"),
        (np.float32(7), "7"),
        (Decimal("7.00"), "7"),
        (Decimal("70.50"), "70.5"),
        ("7", "7"),
        ("007", "007"),
        ("7.0", "7.0"),
        (7.5, "7.5"),
        (-0.0, "0"),
        (2**62, str(2**62)),
        (float("nan"), None),
        (True, "true"),
    ],
)
def test_an_entity_is_named_by_its_own_value(stored, read, value, name):
    """Alone, and whatever the ids of the file beside it are."""
    stored([("time", TIMES[:1]), ("x", [1.0]), ("unit", [value])])
    assert read("x", entity="unit")[0] == [name]
    for number, other in enumerate((8, 8.5, "y", Decimal("1.25"))):
        row = [("time", TIMES[1:2]), ("x", [2.0]), ("unit", [other])]
        stored(row, f"y{number}.parquet")
        assert name in read("x", entity="unit")[0]


def test_types_of_other_files_change_no_value(stored, read):
    """Large integers beside doubles, booleans beside numbers, texts beside dictionaries."""
    stored([("time", TIMES[:1]), ("x", [2**53 - 1]), ("b", [True]), ("note", ["n"])])
    stored([("time", TIMES[1:2]), ("x", [0.5]), ("b", [2.5]), ("note", [{"a": 1}])], "y.parquet")
    later = [("time", TIMES[2:]), ("x", [Decimal("1.25")]), ("b", pa.nulls(1)), ("note", [3])]
    stored(later, "z.parquet")
    np.testing.assert_array_equal(read("x", "b")[1], [[2**53 - 1, 1], [0.5, 2.5], [1.25, np.nan]])


def test_a_new_column_in_other_case_changes_no_verdict(plant):
    """X before x: the detector still sees x, and the machine is still the machine."""
    day = table(DAYS[0])
    path = plant.incoming / f"{DAYS[0]}.parquet"
    deliver(day, path)
    plant.score()
    before = pd.read_parquet(plant.output / "scores")
    odd = day.assign(CPU=1e9, UNIT="zz", Time=day["time"] + pd.Timedelta("1D"))
    deliver(odd[["CPU", "UNIT", "Time", *day.columns]], path)
    summary = plant.score()
    assert (summary.partitions, summary.schema_mismatch, summary.unreadable) == (2, (), ())
    pd.testing.assert_frame_equal(pd.read_parquet(plant.output / "scores"), before)


def test_ids_of_other_types_are_the_same_entities(train_on, make_frame, score_files, tmp_path):
    """Learnt as integers, scored as doubles, as text, and as integers."""
    frame = make_frame(rows=400).assign(unit=np.repeat([7, 8], 400))
    detector = train_on(frame, model={"variant": "linear"}).detector
    found = []
    for kind in ("int64", "float64", "str"):
        folder = tmp_path / kind
        deliver(frame.assign(unit=frame["unit"].astype(kind)), folder / "f.parquet")
        found.append(score_files(detector, folder))
    assert found[0]["score"].notna().any()
    for other in found[1:]:
        pd.testing.assert_frame_equal(other, found[0])
