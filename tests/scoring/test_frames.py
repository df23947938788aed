"""Scoring a pandas table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from aedetect.errors import SchemaMismatch
from aedetect.scoring import score_frame

COLUMNS = ["timestamp", "entity", "score", "p_value", "verdict", "reason"]


@pytest.fixture
def frame(make_frame):
    """A day after training."""
    return make_frame(start="2026-02-01", rows=60, seed=5)


def test_a_table_is_scored_as_its_file_is(detector, frame, write, tmp_path, score_files):
    """The same verdicts, bit by bit."""
    frame.loc[20, "a"] = np.inf
    frame.loc[40:55, "b"] = np.nan
    write(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(score_frame(detector, frame), score_files(detector, tmp_path))


def test_the_order_of_the_rows_is_kept(detector, frame):
    """Any order is accepted, and the index does not matter."""
    shuffled = frame.sample(frac=1, random_state=0)
    expected = score_frame(detector, frame).iloc[shuffled.index].reset_index(drop=True)
    found = score_frame(detector, shuffled)
    assert list(found.columns) == COLUMNS
    pd.testing.assert_frame_equal(found, expected)


def test_a_row_without_a_timestamp_is_not_scored(detector, frame):
    """It keeps its position, and the others score as without it."""
    frame.loc[30, "time"] = pd.NaT
    found = score_frame(detector, frame)
    assert found.loc[30, ["entity", "verdict", "reason"]].tolist() == [
        "east",
        "not_scored",
        "timestamp is missing",
    ]
    assert np.isnan(found.loc[30, "score"])
    rest = score_frame(detector, frame.drop(30))
    pd.testing.assert_frame_equal(found.drop(30).reset_index(drop=True), rest)


def test_an_unseen_entity_is_not_scored(detector, frame):
    """It has no typical values."""
    found = score_frame(detector, frame[:60].assign(unit="south"))
    assert set(found["reason"]) == {"unseen entity"}
    assert found["score"].isna().all()


def test_zones_are_kept(make_frame, train_on):
    """Timestamps keep their zone and their time."""
    frame = make_frame(rows=300)
    frame["time"] = frame["time"].dt.tz_localize("Europe/Berlin")
    detector = train_on(frame, model={"variant": "linear"}).detector
    found = score_frame(detector, frame)
    assert found["timestamp"].tolist() == frame["time"].tolist()
    assert str(found["timestamp"].dt.tz) == "Europe/Berlin"
    elsewhere = frame.assign(time=frame["time"].dt.tz_convert("UTC"))
    pd.testing.assert_series_equal(score_frame(detector, elsewhere)["score"], found["score"])


def test_a_zone_absent_in_training_is_refused(detector, frame):
    """It may be another clock."""
    frame["time"] = frame["time"].dt.tz_localize("UTC")
    with pytest.raises(SchemaMismatch, match='"time" must hold timestamps without zone, got'):
        score_frame(detector, frame)


def test_texts_for_timestamps_are_refused(detector, frame):
    """The column is named."""
    with pytest.raises(SchemaMismatch, match=r'"time" must hold timestamps, got str: convert it'):
        score_frame(detector, frame.assign(time=frame["time"].astype(str)))


@pytest.mark.parametrize("column", ["time", "unit", "b"])
def test_a_column_too_few_is_refused(detector, frame, column):
    """By name."""
    with pytest.raises(SchemaMismatch, match=f"must have the columns {column}, got "):
        score_frame(detector, frame.drop(columns=column))


def test_a_column_too_many_is_ignored(detector, frame):
    """Regardless of its values."""
    more = frame.assign(note=[object()] * len(frame))
    pd.testing.assert_frame_equal(score_frame(detector, more), score_frame(detector, frame))


@pytest.mark.parametrize("values", [["high"] * 120, [1.0, "high"] * 60, [[1]] * 120])
def test_what_is_no_number_is_refused(detector, frame, values):
    """The column is named, also if it has both numbers and texts."""
    with pytest.raises(SchemaMismatch, match='"a"'):
        score_frame(detector, frame.assign(a=pd.Series(values, dtype=object)))


def test_a_column_that_is_missing_throughout_is_carried_by_nothing(detector, frame):
    """The rows are scored without it; its loss is reported once for each unit, or is the reason."""
    found = score_frame(detector, frame.assign(a=None))
    assert (found["reason"] == "a is missing").sum() == frame["unit"].nunique()
    assert found["score"].notna().sum() == len(frame) - 3 * frame["unit"].nunique()
    preparation = replace(detector.scorer.preparation, missing_after="refuse")
    strict = replace(detector, scorer=replace(detector.scorer, preparation=preparation))
    found = score_frame(strict, frame.assign(a=None))
    assert set(found["reason"]) == {"a is missing for longer than 10min"}


def test_integers_and_booleans_are_numbers(detector, frame):
    """In pandas, nullable or not."""
    whole = frame.assign(a=frame["a"].round())
    expected = score_frame(detector, whole)
    for kind in ("int64", "Int64", "float32"):
        pd.testing.assert_frame_equal(score_frame(detector, whole.astype({"a": kind})), expected)
    truth = frame.assign(a=frame["a"] > 0)
    assert score_frame(detector, truth)["score"].notna().any()


def test_integers_beyond_what_a_double_holds_lose_digits_as_in_files(
    make_frame, train_on, score_files, tmp_path
):
    """They do not cause an error."""
    frame = make_frame(rows=200).assign(total=2**62 + np.arange(400) * 2**40 + 1)
    detector = train_on(frame, model={"variant": "linear"}).detector
    pd.testing.assert_frame_equal(score_frame(detector, frame), score_files(detector, tmp_path))


@pytest.mark.parametrize("units", [(10, 7), (10.5, 7.0), (False, True), (1e20, 5e-324)])
def test_entities_that_are_no_text_are_named_as_in_files(
    make_frame, train_on, score_files, tmp_path, units
):
    """Numbers and booleans too."""
    frame = make_frame(rows=200).assign(unit=np.repeat(np.array(units), 200))
    detector = train_on(frame, model={"variant": "linear"}).detector
    found, expected = score_frame(detector, frame), score_files(detector, tmp_path)
    pd.testing.assert_frame_equal(found, expected)


def test_no_rows_are_no_verdicts(detector, frame):
    """With all columns."""
    found = score_frame(detector, frame.iloc[:0])
    assert len(found) == 0
    assert list(found.columns) == COLUMNS


def test_one_series_needs_no_entity(make_frame, train_on):
    """Without an entity column all rows are one."""
    frame = make_frame(units=("only",), rows=400).drop(columns="unit")
    detector = train_on(frame, data={"entity": None}, model={"variant": "linear"}).detector
    found = score_frame(detector, frame)
    assert found["entity"].isna().all()
    assert found["score"].notna().sum() == 397
