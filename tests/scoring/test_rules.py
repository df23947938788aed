"""Rows that a column rule flags: verdict, reason, causes, severity, and what suppresses them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flags import ORIGIN

from aedetect.data import Rows
from aedetect.explain import rank_causes
from aedetect.preprocessing.windows import with_context
from aedetect.scoring import score_rows
from aedetect.scoring.frames import score_frame
from aedetect.scoring.suppression import Suppression
from aedetect.scoring.tables import flagged_batch, scores_batch

LINEAR = {"variant": "linear"}
UNIT = np.repeat(np.array([0, 1], dtype=np.int32), 200)


def plant(make_frame, **options):
    """Two sensors, a setpoint that is always 50, and a state of two values."""
    frame = make_frame(**options)
    frame["setpoint"] = 50.0
    frame["state"] = np.where(np.arange(len(frame)) % 30 < 20, "run", "idle")
    return frame


@pytest.fixture(scope="module")
def detector(tmp_path_factory, make_frame, write, learn):
    """Learnt of such a plant."""
    folder = tmp_path_factory.mktemp("rules")
    write(plant(make_frame), folder / "train.parquet")
    return learn(folder, model=LINEAR).detector


@pytest.fixture
def frame(make_frame):
    """A setpoint that changes, a state never seen, and a sensor that is stuck; all in "east"."""
    frame = plant(make_frame, start="2026-02-01", rows=200, seed=1)
    frame.loc[50:59, "setpoint"] = 52.5
    frame.loc[80:89, "state"] = "FAULT"
    frame.loc[120:149, "a"] = frame.loc[120, "a"]
    return frame


def as_rows(detector, frame):
    """The table as it is read from files."""
    values = frame[["a", "b", "setpoint"]].to_numpy(dtype=float)
    known = detector.scorer.schema.features[-1].categories
    state = np.array([known.index(each) if each in known else -1 for each in frame["state"]])
    return Rows(
        time=frame["time"].to_numpy().astype("datetime64[ns]").astype(np.int64),
        entity=UNIT,
        names=("east", "west"),
        values=np.ascontiguousarray(np.c_[values, state]),
    )


def thresholds(detector):
    """The threshold of each row."""
    return detector.calibration.thresholds(UNIT)


def scored(detector, frame, **suppression):
    """Score all rows."""
    rows = as_rows(detector, frame)
    return score_rows(detector, rows, np.ones(len(rows), np.bool_), Suppression(**suppression))


def test_rules_flag_rows_whatever_their_score(detector, frame):
    """The reason names the column; score and p-value stay those of the network."""
    found = scored(detector, frame)
    reason = np.array(found.reason_text.to_pylist(), dtype=object)
    verdict = np.array(found.verdict.to_pylist())
    changed = "setpoint changed, which was constant in training"
    assert np.flatnonzero(reason == changed).tolist() == list(range(50, 60))
    unseen = "state has a value never seen in training"
    assert np.flatnonzero(reason == unseen).tolist() == list(range(80, 90))
    stuck = "a is stuck: the same for longer than ever in training"
    assert np.flatnonzero(reason == stuck).tolist() == list(range(131, 150))
    by_rule = np.isin(reason, [changed, unseen, stuck])
    with np.errstate(invalid="ignore"):
        above = found.score > thresholds(detector)
    np.testing.assert_array_equal(verdict == "anomaly", by_rule | above)
    assert (by_rule & ~above).any()
    seen = ~np.isnan(found.score)
    expected = detector.calibration.p_values(found.score[seen], UNIT[seen])
    np.testing.assert_array_equal(found.p_value[seen], expected)


def test_the_column_of_the_rule_is_the_first_cause(detector, frame):
    """Below the threshold it is the only one; the constant is what was expected."""
    found = scored(detector, frame)
    values = as_rows(detector, frame).values[found.flagged]
    causes = rank_causes(detector.scorer.preparation, found, values).to_pylist()
    first = dict(zip(found.flagged.tolist(), causes, strict=True))
    setpoint = {first[row][0]["feature"] for row in range(50, 60)}
    assert setpoint == {"setpoint"}
    assert {(first[row][0]["observed"], first[row][0]["expected"]) for row in range(50, 60)} == {
        (52.5, 50.0)
    }
    assert {first[row][0]["feature"] for row in range(80, 90)} == {"state=(new)"}
    assert {first[row][0]["feature"] for row in range(131, 150)} == {"a"}
    for row, each in first.items():
        assert sum(cause["share"] for cause in each) == pytest.approx(1)
        if found.score[row] <= thresholds(detector)[row]:
            assert each[0]["share"] == 1


def test_a_rule_is_a_warning_at_least(detector, frame):
    """Receivers are notified of warnings; the p-value alone would call it information."""
    found, rows = scored(detector, frame), as_rows(detector, frame)
    table = scores_batch(rows, found, pa.timestamp("us"))
    flagged = flagged_batch(table, rows=rows, scored=found, detector=detector, origin=ORIGIN)
    severity = dict(zip(found.flagged.tolist(), flagged["severity"].to_pylist(), strict=True))
    assert {severity[row] for row in range(50, 60)} <= {"warning", "critical"}


@pytest.mark.parametrize("size", [1, 7, 64])
def test_rules_do_not_depend_on_the_batch(detector, frame, size):
    """Row by row or all at once: the same verdicts, reasons and scores to the last bit."""
    rows = as_rows(detector, frame)
    together = scored(detector, frame)
    parts = (rows.take(slice(start, start + size)) for start in range(0, len(rows), size))
    reasons, verdicts, scores = [], [], []
    for batch, before in with_context(parts, lookback=detector.scorer.lookback):
        part = score_rows(detector, batch, np.arange(len(batch)) >= before)
        reasons += part.reason_text.to_pylist()
        verdicts += part.verdict.to_pylist()
        scores.append(part.score)
    assert reasons == together.reason_text.to_pylist()
    assert verdicts == together.verdict.to_pylist()
    np.testing.assert_array_equal(np.concatenate(scores), together.score)


def test_a_frame_and_files_agree(detector, frame, tmp_path, write, score_files):
    """And so do they after the detector was saved and loaded."""
    write(frame, tmp_path / "in" / "x.parquet")
    detector.save(tmp_path / "saved")
    loaded = type(detector).load(tmp_path / "saved")
    files = score_files(loaded, tmp_path / "in").reset_index(drop=True)
    table = score_frame(detector, frame)
    pd.testing.assert_frame_equal(files, table)


def test_ignored_features_break_no_rule(detector, frame):
    """Rows are suppressed that only such a rule flags; planned work suppresses all."""
    found = scored(detector, frame, ignore=("setpoint",))
    reasons = found.reason_text.to_pylist()
    assert set(found.verdict.to_pylist()[50:60]) <= {"suppressed", "anomaly"}
    suppressed = [row for row in range(50, 60) if found.verdict.to_pylist()[row] == "suppressed"]
    assert suppressed
    assert {reasons[row] for row in suppressed} == {"only ignored features: setpoint"}
    assert set(found.verdict.to_pylist()[80:90]) == {"anomaly"}


def test_a_direction_that_does_not_matter_breaks_no_rule(detector, frame):
    """52.5 is above 50."""
    below = scored(detector, frame, only_below=("setpoint",))
    assert "suppressed" in below.verdict.to_pylist()[50:60]
    above = scored(detector, frame, only_above=("setpoint",))
    assert set(above.verdict.to_pylist()[50:60]) == {"anomaly"}


def test_a_spread_far_below_the_size_is_no_constant(train_on, make_frame):
    """Ten megahertz with a spread of half a hertz: forty off is eighty standard deviations."""

    def hertz(**options):
        frame = make_frame(**options)
        frame["hertz"] = 1e7 + np.random.default_rng(5).normal(0, 0.5, len(frame))
        return frame

    detector = train_on(hertz(), model=LINEAR).detector
    frame = hertz(start="2026-02-01", rows=60, seed=1)
    frame.loc[30:34, "hertz"] += 40
    assert set(score_frame(detector, frame)["verdict"][30:35]) == {"anomaly"}
