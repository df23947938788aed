"""The profile of the training data."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from aedetect.data import Feature, find_files, open_engine
from aedetect.data.profiling import survey
from aedetect.data.reader import confine
from aedetect.data.scan import scan
from aedetect.data.settings import DataSettings
from aedetect.errors import ConfigError, NoData, SchemaMismatch, UnreadableFile


@pytest.fixture
def surveyed(tmp_path, write):
    """Survey a table."""

    def surveyed(frame, **keys):
        write(frame, tmp_path / "x.parquet")
        settings = DataSettings(train="x", timestamp="time", entity="unit", **keys)
        with open_engine(memory_mb=200, scratch=tmp_path) as connection:
            return survey(
                lambda: connection, find_files([str(tmp_path)], timestamp="time"), settings
            )

    return surveyed


def test_numbers_booleans_and_texts_are_features(surveyed, make_frame):
    """A text column's values are its categories, in order."""
    frame = make_frame(rows=4).assign(mode=["eco", "fast"] * 4, on=True)
    assert surveyed(frame).features == (
        Feature("a", "number"),
        Feature("b", "number"),
        Feature("mode", "category", ("eco", "fast")),
        Feature("on", "boolean"),
    )


def test_labelled_rows_are_not_normal(surveyed, make_frame):
    """The label is not a feature; a missing label is normal."""
    frame = make_frame(rows=5).assign(bad=[1, 0, None, 0, 0] * 2)
    seen = surveyed(frame, label="bad")
    assert (seen.rows, seen.normal) == (10, 8)
    assert "bad" not in [feature.name for feature in seen.features]


def test_a_label_that_is_text_is_refused(surveyed, make_frame):
    """Its meaning is ambiguous."""
    with pytest.raises(SchemaMismatch, match='label column "bad" must be boolean or 0 and 1'):
        surveyed(make_frame(rows=5).assign(bad="no"), label="bad")


def test_the_filter_names_normal_rows_and_its_columns_are_no_features(surveyed, make_frame):
    """A state that defines normal operation has no information within it."""
    frame = make_frame(rows=4).assign(state=["on", "off"] * 4)
    seen = surveyed(frame, normal="state = 'on'")
    (said,) = seen.left_out
    assert said.startswith('column "state" is named in [data] normal: left out; to keep it as a ')
    assert said.endswith('set [data] features = ["*"] or list the columns')
    for features in (("*",), ("a", "state")):
        kept = surveyed(frame, normal="state = 'on'", features=features)
        assert "state" in {feature.name for feature in kept.features}
        assert kept.left_out == ()
    assert seen.normal == 4
    assert [feature.name for feature in seen.features] == ["a", "b"]


def test_a_filter_over_an_unknown_column_is_refused_with_the_nearest(surveyed, make_frame):
    """The message names the setting."""
    frame = make_frame(rows=4).assign(state="on")
    with pytest.raises(SchemaMismatch, match=r'"stat" \(\[data\] normal\) \(did you mean "state"'):
        surveyed(frame, normal="stat = 'on'")


def test_a_filter_that_is_not_sql_is_refused(surveyed, make_frame):
    """The message has an example."""
    with pytest.raises(ConfigError, match=r"\[data\] normal must be a SQL condition"):
        surveyed(make_frame(rows=4), normal="state is like on")


@pytest.mark.parametrize("normal", ["nofunction(a) > 1", "a = 'on'", "sum(a) > 1", "a > 1) OR ("])
def test_a_filter_that_means_nothing_for_the_columns_is_refused(surveyed, make_frame, normal):
    """The files are not reported as the cause."""
    with pytest.raises(ConfigError, match=r"\[data\] normal must hold or not for each row"):
        surveyed(make_frame(rows=4), normal=normal)


def test_a_filter_that_names_no_row_is_refused(surveyed, make_frame):
    """There would be nothing to train on."""
    with pytest.raises(NoData, match="none of the 8 rows is normal"):
        surveyed(make_frame(rows=4), normal="a > 1000")


def test_an_empty_file_is_refused(surveyed, make_frame):
    """It can be read, but has no rows."""
    with pytest.raises(NoData, match="none of the 0 rows is normal and has a timestamp"):
        surveyed(make_frame(rows=4).iloc[:0])


@pytest.mark.parametrize("value", [np.nan, None, np.inf])
def test_a_column_without_a_value_is_left_out_and_reported(surveyed, make_frame, value):
    """All missing, or all infinite: it has no typical values."""
    frame = make_frame(rows=4).assign(dead=np.array([value] * 8, dtype="float64"))
    seen = surveyed(frame)
    assert "dead" not in [feature.name for feature in seen.features]
    assert seen.left_out == ('column "dead" has no value in the normal rows: left out',)


def test_nothing_but_columns_without_values_is_refused(surveyed, make_frame):
    """Each column is named."""
    with pytest.raises(SchemaMismatch, match='no column can be a feature: column "a" has no value'):
        surveyed(make_frame(rows=4).assign(a=np.nan, b=np.nan))


def test_text_where_numbers_are_expected_is_refused(surveyed, make_frame):
    """The message has the column, the file, an example value and the remedy."""
    frame = make_frame(rows=20)
    frame["a"] = frame["a"].map("{:.2f}".format)
    with pytest.raises(
        SchemaMismatch,
        match=r'feature "a" of x\.parquet is text where numbers.*such as "-?\d.*cast it to double',
    ):
        surveyed(frame)


def test_text_of_too_many_values_is_left_out_unless_it_is_named(surveyed, make_frame):
    """An identifier is not a category."""
    frame = make_frame(rows=60).assign(id=[f"row {number}" for number in range(120)])
    assert surveyed(frame).left_out == ('column "id" is text with over 50 values: left out',)
    with pytest.raises(SchemaMismatch, match='feature "id" is text with more than 50'):
        surveyed(frame, features=("a", "id"))


def test_a_corrupt_page_is_named(tmp_path, write, make_frame, surveyed):
    """When the survey reads it."""
    path = write(make_frame(), tmp_path / "bad.parquet")
    content = bytearray(path.read_bytes())
    foot = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[foot - 3000 : foot] = b"\xff" * 3000
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableFile, match=r"bad\.parquet cannot be read to the end"):
        surveyed(make_frame(rows=4))


@pytest.mark.parametrize(
    "normal",
    [
        "a < (SELECT count(*) FROM glob('/etc/*'))",
        "EXISTS (SELECT 1 FROM read_text('/etc/passwd'))",
        "a IN (SELECT b)",
        "b = ANY([1])",
        "error(CAST(a AS VARCHAR)) IS NULL",
        "random() < 0.5",
        "a < uuid()",
        "now() > time",
        "current_localtimestamp() > time",
        "age(time) > INTERVAL 1 DAY",
        "time > ago(INTERVAL 1 DAY)",
        "getvariable('x') = a",
        "current_setting('threads') = '1'",
        "json_serialize_plan('SELECT 1') IS NOT NULL",
        "row_number() OVER () > 2",
        "lag(a) OVER () > 2",
        "unnest([true])",
        "sum(a) > 1",
        "#1 > 2",
        "COLUMNS('a') > 1",
        "a = $1",
        "a > 1) OR (b > 1",
        "true) UNION SELECT * FROM read_text('/etc/passwd') WHERE (true",
        "pg_sleep(1) IS NULL",
    ],
)
def test_a_filter_sees_the_columns_of_one_row_and_nothing_else(surveyed, make_frame, normal):
    """No file, no clock, no chance, no other row: the same data give the same detector."""
    with pytest.raises(ConfigError, match=r"\[data\] normal must "):
        surveyed(make_frame(rows=4), normal=normal)


def test_a_filter_that_ends_in_a_comment_is_refused(surveyed, make_frame):
    """The rest of the query, with the label and the order, would be a part of the comment."""
    with pytest.raises(ConfigError, match=r"\[data\] normal must .* no condition by itself"):
        surveyed(make_frame(rows=4), normal="a > 0) --")


@pytest.mark.parametrize("column", ["current_date", "current_user", "localtimestamp", "_file"])
def test_the_clock_is_no_column(surveyed, make_frame, column):
    """Words that are functions without parentheses, and columns of DuckDB, must be in the files."""
    with pytest.raises(SchemaMismatch, match=rf'no column "{column}" \(\[data\] normal\)'):
        surveyed(make_frame(rows=4), normal=f"{column} IS NOT NULL")


@pytest.mark.parametrize(
    "normal",
    [
        "state = 'on' AND a BETWEEN -100 AND 100",
        "state IN ('on', 'idle') OR a IS NULL",
        "lower(trim(state)) LIKE 'o%' AND NOT regexp_matches(state, 'off$')",
        "CASE WHEN a > 0 THEN b < 100 ELSE abs(b) < 100 END",
        "extract(hour FROM time) < 24 AND time >= TIMESTAMP '2000-01-01'",
        "coalesce(nullif(state, 'off'), 'x') <> 'x' AND a / 2 + 1 < 1000 AND NOT isnan(a)",
        "TRY_CAST(state AS DOUBLE) IS NULL AND state ILIKE 'ON' OR \"if\"(a > 0, true, false)",
        "date_trunc('day', time) + INTERVAL 1 DAY > time",
        "list_contains(['on', 'off'], state) AND starts_with(state, 'o')",
    ],
)
def test_what_people_write_passes(surveyed, make_frame, normal):
    """Comparisons, functions of a row's values, dates and texts."""
    frame = make_frame(rows=4).assign(state=["on", "off"] * 4)
    assert surveyed(frame, normal=normal).normal > 0


def test_a_confined_engine_reads_its_files_alone(tmp_path, write, make_frame):
    """A second wall: what the check let pass could still not leave the training data."""
    own, other = write(make_frame(), tmp_path / "own[1].parquet"), tmp_path / "other.parquet"
    other.write_bytes(own.read_bytes())
    source = find_files([str(tmp_path / "own[[]1].parquet")], timestamp="time")
    (tmp_path / "scratch").mkdir()
    with open_engine(memory_mb=200, scratch=tmp_path / "scratch") as connection:
        confine(connection, source.files)
        rows = scan(source.files, {}, entity=None)
        assert connection.sql(f"SELECT count(*) FROM {rows}").fetchall()[0][0] > 0
        for statement in (
            f"SELECT * FROM read_parquet('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path}/new.parquet'",
            "SELECT * FROM glob('/etc/*')",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
