"""Choosing columns, and reporting problems with them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from aedetect.data import Feature, Schema, SourceFile
from aedetect.data.schema import check_column, check_time, choose_features, kind_of, mismatch
from aedetect.data.settings import DataSettings
from aedetect.errors import SchemaMismatch

TIME, NUMBER, TEXT = pa.timestamp("us"), pa.float64(), pa.string()
COLUMNS = {"time": TIME, "unit": TEXT, "cpu": NUMBER, "disk": pa.int32(), "on": pa.bool_()}
SCHEMA = Schema(
    timestamp="time",
    aware=False,
    entity="unit",
    features=(Feature("cpu", "number"), Feature("mode", "category", ("eco", "fast"))),
    context=(),
    period=1,
    max_gap=5,
)


def file(name="x.parquet", **columns):
    """A file with columns besides the usual ones; None removes one."""
    given = {key: kind for key, kind in {**COLUMNS, **columns}.items() if kind is not None}
    return SourceFile(path=name, name=name, rows=1, columns=given, time_column="time")


def settings(**keys):
    """Settings of the data, with some keys given."""
    return DataSettings(train="x", timestamp="time", entity="unit", **keys)


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pa.decimal128(9, 2), "number"),
        (pa.float16(), "number"),
        (pa.bool_(), "boolean"),
        (pa.large_string(), "category"),
        (pa.dictionary(pa.int8(), pa.string()), "category"),
        (pa.date32(), "time"),
        (pa.list_(pa.int8()), "other"),
        (pa.binary(), "other"),
    ],
)
def test_arrow_types_have_kinds(dtype, kind):
    """The kind of each type."""
    assert kind_of(dtype) == kind


def test_all_other_columns_are_features():
    """Except timestamp, entity, label, and columns of unsupported types."""
    found = choose_features([file(raw=pa.binary())], settings=settings(label="on"))
    assert found == {"cpu": "number", "disk": "number"}


def test_features_are_named_by_pattern_and_excluded():
    """Patterns select first, exclusion is applied afterwards."""
    chosen = choose_features(
        [file(cpu_2=NUMBER)], settings=settings(features=("cpu*", "disk"), exclude=("cpu_2",))
    )
    assert list(chosen) == ["cpu", "disk"]


@pytest.mark.parametrize("key", ["features", "exclude"])
def test_a_missing_feature_column_is_refused_with_the_nearest(key):
    """A misspelt name is an error, both in features and in exclude."""
    with pytest.raises(SchemaMismatch, match=rf'\[data\] {key} .*"dsk".*did you mean "disk"\?'):
        choose_features([file()], settings=settings(**{key: ("dsk",)}))


def test_a_feature_that_is_missing_from_one_file_is_not_in_all():
    """Without being named it is left out; named, it is refused."""
    files = [file(), file("y.parquet", disk=None)]
    assert "disk" not in choose_features(files, settings=settings())
    with pytest.raises(SchemaMismatch, match='"disk", which is not a column of every file'):
        choose_features(files, settings=settings(features=("disk",)))


def test_numbers_in_one_file_and_text_in_another_are_refused():
    """Both files are named, and the remedy."""
    files = [file(), file("y.parquet", cpu=TEXT)]
    message = "number in x.parquet, category in y.parquet; cast it, or exclude it"
    with pytest.raises(SchemaMismatch, match=message):
        choose_features(files, settings=settings())


def test_booleans_and_numbers_meet_as_numbers():
    """Booleans are often written as 0 and 1."""
    files = [file(), file("y.parquet", on=pa.int8())]
    assert choose_features(files, settings=settings())["on"] == "number"


def test_a_named_feature_of_no_use_is_refused():
    """A list cannot be a feature."""
    with pytest.raises(SchemaMismatch, match=r'feature "raw" must hold .* got binary'):
        choose_features([file(raw=pa.binary())], settings=settings(features=("raw",)))


def test_no_feature_at_all_is_refused():
    """The message lists the existing columns."""
    bare = file(cpu=None, disk=None, on=None)
    with pytest.raises(SchemaMismatch, match=r'at least one feature .* only "time", "unit"'):
        choose_features([bare], settings=settings())


def test_a_missing_timestamp_column_is_refused_with_the_nearest():
    """The file is named too."""
    with pytest.raises(SchemaMismatch, match=r'x\.parquet has no column "tme".*mean "time"\?'):
        check_time([file()], timestamp="tme")


@pytest.mark.parametrize("kind", [TEXT, pa.int64()])
def test_timestamps_of_another_type_are_refused(kind):
    """Text and numbers are not interpreted as timestamps."""
    with pytest.raises(SchemaMismatch, match=r'"time" of x\.parquet must be a timestamp.*cast it'):
        check_time([file(time=kind)], timestamp="time")


def test_mixed_zones_are_refused():
    """One file with a zone and one without: both are named."""
    files = [file(), file("y.parquet", time=pa.timestamp("us", tz="UTC"))]
    with pytest.raises(SchemaMismatch, match=r"time zone in y\.parquet and none in x\.parquet"):
        check_time(files, timestamp="time")


def test_a_missing_entity_column_is_refused():
    """The message names the setting."""
    with pytest.raises(SchemaMismatch, match=r'no column "unti" \(\[data\] entity\).*"unit"\?'):
        check_column([file()], "unti", setting="[data] entity")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"mode": TEXT, "extra": TEXT}, None),
        ({}, 'lacks the column "mode"'),
        ({"mode": TEXT, "cpu": None, "unit": None}, 'lacks the columns "unit", "cpu"'),
        ({"mode": TEXT, "cpu": TEXT}, 'has string in "cpu", which must be a number'),
        ({"mode": NUMBER}, 'has double in "mode", which must be text'),
        ({"mode": TEXT, "cpu": TIME}, 'has timestamp[us] in "cpu", which must be a number'),
    ],
)
def test_a_file_fits_or_the_reason_is_returned(columns, problem):
    """Additional columns are ignored; missing ones, or those of another type, are named."""
    assert mismatch(SCHEMA, file(**columns)) == problem
