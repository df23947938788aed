"""Features outside their own limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aedetect.calibration.calibration import Threshold
from aedetect.data import Feature, Rows
from aedetect.explain import outside_limits
from aedetect.explain.expected_range import clip_to_training_range
from aedetect.scoring import score_rows
from aedetect.timestamps import NANOSECONDS


def found(detector, rows, size):
    """The outside features of each scorable row, with the same limit for all columns."""
    low = replace(detector.calibration, threshold=Threshold(-1.0, "quantile", 1.0), own={})
    scored = score_rows(
        replace(detector, calibration=low), rows, np.ones(len(rows), dtype=np.bool_)
    )
    limits = np.full(scored.expected.shape, size, dtype=np.float32)
    values = rows.values[scored.flagged]
    return scored, outside_limits(detector.scorer.preparation, scored, values, limits).to_pylist()


@pytest.fixture(scope="module")
def rows(make_frame):
    """Ten rows of one unit; the last has a wrong b, the one before no b."""
    frame = make_frame(units=("east",), start="2026-02-01", rows=10, features=("a", "b"))
    values = np.ascontiguousarray(frame[["a", "b"]].to_numpy())
    values[-1, 1] += 15
    values[-2, 1] = np.nan
    return Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=np.zeros(10, dtype=np.int32),
        names=("east",),
        values=values,
    )


def test_limits_are_reported_in_original_units(detector, rows):
    """Expected -/+ limit, clipped to the training range; a missing value is not outside."""
    scored, listed = found(detector, rows, 3.0)
    (last,) = listed[-1]
    preparation = detector.scorer.preparation
    center, scale = (each[0][1] for each in (preparation.scaling.center, preparation.scaling.scale))
    seen = preparation.features[1]
    middle = scored.expected[-1, 1] * scale + center
    low, high = np.clip([middle - 3 * scale, middle + 3 * scale], seen.low, seen.high)
    assert last["feature"] == "b"
    assert (last["low"], last["high"]) == pytest.approx((low, high), rel=1e-5)
    assert listed[-2] == []


def test_wide_limits_hold_everything_and_narrow_ones_nothing(detector, rows):
    """Of all observed cells."""
    assert found(detector, rows, np.inf)[1] == [[]] * 7
    narrow = found(detector, rows, 0.0)[1]
    assert [len(each) for each in narrow] == [2] * 5 + [1, 2]


def test_a_category_is_outside_when_another_is_expected(make_frame, train_on):
    """The entry names the likeliest category, and has no range."""
    frame = make_frame(rows=300)
    frame["mode"] = np.where(frame["a"] > 0, "fast", "eco")
    detector = train_on(frame, model={"variant": "linear"}).detector
    values = np.array([[1.0, 12, 1]] * 5 + [[1.0, 12, 0], [1.0, 12, -1], [1.0, 12, np.nan]])
    rows = Rows(
        time=np.arange(8) * NANOSECONDS["min"],
        entity=np.zeros(8, dtype=np.int32),
        names=("east",),
        values=values,
    )
    scored, listed = found(detector, rows, 1e9)
    fast = {"feature": "mode=fast", "low": None, "high": None}
    assert [len(each) for each in listed] == [0, 0, 0, 1, 0]
    sure = replace(scored, expected=scored.expected.copy())
    sure.expected[:, 2:] = [-1.0, 2.0]  # eco, fast
    preparation, limits = detector.scorer.preparation, np.full(sure.expected.shape, 1e9)
    outside = outside_limits(preparation, sure, values[scored.flagged], limits.astype(np.float32))
    assert outside.to_pylist() == [[], [], [fast], [fast], []]


def test_features_without_a_range_are_left_as_they_are():
    """Text has no range, nor do the features of a detector without it."""
    features = [Feature("a", "number"), Feature("b", "number", low=-1.0, high=1.0)]
    expected = np.array([[1e9, 5.0], [np.nan, -5.0]])
    np.testing.assert_array_equal(
        clip_to_training_range(features, expected), [[1e9, 1.0], [np.nan, -1.0]]
    )


def test_the_range_is_that_of_the_normal_rows(train_on, make_frame):
    """Rows that are not normal do not widen it, infinite values do not count."""
    frame = make_frame(rows=300).assign(odd=False)
    frame.loc[10, ["a", "odd"]] = 1e6, True
    frame.loc[20, "b"] = np.inf
    trained = train_on(frame, data={"normal": "not odd", "exclude": ["odd"]})
    features = {each.name: each for each in trained.ingested.schema.features}
    normal = frame[~frame["odd"].astype(bool)].replace(np.inf, np.nan)
    for name in ("a", "b"):
        assert (features[name].low, features[name].high) == (
            normal[name].min(),
            normal[name].max(),
        )


def test_expected_values_of_flagged_rows_lie_in_the_training_range(plant):
    """In the written causes and ranges, even for a sensor far out of range."""
    plant.score()
    files = sorted((plant.output / "flagged").rglob("*.parquet"))
    flagged = pd.concat([pq.ParquetFile(path).read().to_pandas() for path in files])
    seen = pd.read_parquet(plant.folder / "train.parquet").agg(["min", "max"])
    assert len(flagged)
    for causes, outside in zip(flagged["causes"], flagged["outside"], strict=True):
        for each in causes:
            assert seen[each["feature"]]["min"] <= each["expected"] <= seen[each["feature"]]["max"]
        for each in outside:
            assert seen[each["feature"]]["min"] <= each["low"]
            assert each["high"] <= seen[each["feature"]]["max"]
