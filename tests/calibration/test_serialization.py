"""Calibrations on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aedetect.calibration import HeldOut, fit_calibration
from aedetect.calibration.history import read_calibration
from aedetect.calibration.serialization import newest_version, write_calibration
from aedetect.calibration.settings import CalibrationSettings
from aedetect.detector import CalibratedScorer
from aedetect.errors import BrokenDetector
from aedetect.scoring import score_frame


@pytest.fixture(params=["false_alarm_rate", "pot", "alert_budget", "fbeta"])
def made(request):
    """A calibration of two entities, one with few rows, with labelled rows."""
    random = np.random.default_rng(0)
    sizes = [4000, 3000, 20]
    rows = HeldOut.of(
        random.gamma(2, size=7020),
        entity=np.repeat([0, 1, 2], sizes),
        anomaly=np.arange(7020) % 500 == 0,
    )
    settings = CalibrationSettings(threshold=request.param, unseen="pooled", pot=0.001)
    limits = np.array([[1, np.inf], [2, 3], [4, 5]], np.float32)
    return fit_calibration(rows, settings=settings, version=2, limits=limits)


def test_what_is_restored_equals_what_was_saved(made, tmp_path):
    """Thresholds, p-values far beyond all scores, forecasts, held-out rows and limits."""
    write_calibration(made, tmp_path / "calibrations" / "2")
    again = read_calibration(tmp_path, lambda: made)
    entity = np.array([0, 1, 2, -1] * 3, np.int32)
    scores = np.repeat(np.array([2, 15, 300], np.float32), 4)
    np.testing.assert_array_equal(again.p_values(scores, entity), made.p_values(scores, entity))
    np.testing.assert_array_equal(again.thresholds(entity), made.thresholds(entity))
    assert (again.version, again.unseen, again.forecast) == (2, "pooled", made.forecast)
    assert again.elsewhere == made.elsewhere
    np.testing.assert_array_equal(again.limits, made.limits)
    np.testing.assert_array_equal(again.held_out.time, made.held_out.time)
    np.testing.assert_array_equal(again.held_out.anomaly, made.held_out.anomaly)


def test_held_out_rows_have_the_columns_that_a_new_threshold_needs(detector_folder):
    """Ordered by entity and time."""
    table = pq.read_table(detector_folder / "calibration.parquet")
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "entity": pa.int32(),
        "time": pa.int64(),
        "score": pa.float32(),
        "anomaly": pa.bool_(),
        "suspect": pa.bool_(),
    }
    frame = table.to_pandas()
    ordered = frame.sort_values(["entity", "time"], ignore_index=True)
    pd.testing.assert_frame_equal(frame, ordered)


def test_the_newest_complete_one_applies(detector, tmp_path):
    """Ten is newer than nine, and one without its description is ignored."""
    detector.save(tmp_path)
    for number in (9, 10):
        one = replace(detector.calibration, version=number)
        write_calibration(one, tmp_path / "calibrations" / str(number))
    write_calibration(detector.calibration, tmp_path / "calibrations" / "11")
    (tmp_path / "calibrations" / "11" / "calibration.json").unlink()
    assert newest_version(tmp_path) == 10
    assert CalibratedScorer.load(tmp_path).calibration.version == 10


def test_a_damaged_calibration_is_refused(detector, tmp_path):
    """There is no silent fallback to another threshold."""
    detector.save(tmp_path)
    write_calibration(replace(detector.calibration, version=2), tmp_path / "calibrations" / "2")
    (tmp_path / "calibrations" / "2" / "calibration.json").write_text("{")
    with pytest.raises(BrokenDetector, match="cannot be read"):
        CalibratedScorer.load(tmp_path)


@pytest.mark.parametrize("score", ["mse", "standardized"])
@pytest.mark.parametrize("scaler", ["standard", "quantile"])
def test_unseen_entities_are_scored_with_the_pool_when_configured(
    make_frame, train_on, score, scaler
):
    """With the pooled scaling and threshold; refused otherwise."""
    detector = train_on(
        make_frame(),
        prepare={"scaler": scaler},
        calibration={"score": score},
        model={"variant": "linear"},
    ).detector
    fresh = make_frame(units=("north",), rows=50)
    refused = score_frame(detector, fresh)
    assert set(refused["reason"]) == {"unseen entity"}
    pooled = replace(detector, calibration=replace(detector.calibration, unseen="pooled"))
    scored = score_frame(pooled, fresh)
    assert scored["score"].notna().sum() == 47
    assert set(scored["reason"].dropna()) == {"needs 3 earlier rows"}
    same = np.float64(scored["p_value"].dropna())
    expected = detector.calibration.reference.p_values(scored["score"].dropna().to_numpy())
    np.testing.assert_array_equal(same, expected)
