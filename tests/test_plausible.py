"""What people are told is expected was seen before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from aedetect.plausible import within_seen
from aedetect.schema import Feature


def test_features_without_a_range_are_left_as_they_are():
    """Text has none, nor has a detector without it."""
    features = [Feature("a", "number"), Feature("b", "number", low=-1.0, high=1.0)]
    expected = np.array([[1e9, 5.0], [np.nan, -5.0]])
    np.testing.assert_array_equal(within_seen(features, expected), [[1e9, 1.0], [np.nan, -1.0]])


def test_the_range_is_that_of_the_normal_rows(train_on, make_frame):
    """Rows that are not normal do not widen it, infinite values do not count."""
    frame = make_frame(rows=300).assign(odd=False)
    frame.loc[10, ["a", "odd"]] = 1e6, True
    frame.loc[20, "b"] = np.inf
    learnt = train_on(frame, data={"normal": "not odd", "exclude": ["odd"]})
    features = {each.name: each for each in learnt.ingested.schema.features}
    normal = frame[~frame["odd"].astype(bool)].replace(np.inf, np.nan)
    for name in ("a", "b"):
        assert (features[name].low, features[name].high) == (
            normal[name].min(),
            normal[name].max(),
        )


def test_nothing_unseen_is_expected_of_flagged_rows(plant):
    """In causes and ranges that are written, not even for a sensor far out."""
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
