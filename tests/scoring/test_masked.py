"""A row is scored without a column that is missing for too long."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.scoring.frames import score_frame

SENSORS = ("s0", "s1", "s2", "s3")
LINEAR = {"variant": "linear", "latent": 3}


@pytest.fixture(scope="module")
def detector(tmp_path_factory, make_frame, write, learn):
    """Four sensors of two units that follow one load each."""
    folder = tmp_path_factory.mktemp("masked")
    write(make_frame(features=SENSORS, rows=1000), folder / "train.parquet")
    return learn(folder, model=LINEAR, training={"epochs": 20, "batch_size": 64}).detector


@pytest.fixture
def frame(make_frame):
    """A day later one sensor of "east" is dead for three hours; a fault of another meanwhile."""
    frame = make_frame(features=SENSORS, rows=300, start="2026-02-01", seed=1)
    frame.loc[60:239, "s2"] = np.nan
    frame.loc[150:155, "s0"] += 3.0
    return frame


def test_one_dead_sensor_does_not_blind_a_machine(detector, frame):
    """All rows are scored but the first of each unit, and the fault of another sensor is found."""
    found = score_frame(detector, frame)
    silent = found[found["verdict"] == "not_scored"]
    assert set(silent["reason"]) == {"needs 3 earlier rows"}
    assert len(silent) == 6
    assert set(found["verdict"][150:156]) == {"anomaly"}


def test_the_others_are_judged_by_themselves(detector, frame, make_frame):
    """What stands in for the dead one makes no alarm of its own."""
    frame["s0"] = make_frame(features=SENSORS, rows=300, start="2026-02-01", seed=1)["s0"]
    whole = frame.assign(s2=make_frame(features=SENSORS, rows=300, seed=1)["s2"])
    found, complete = score_frame(detector, frame), score_frame(detector, whole)
    dead = slice(75, 239)
    alarms = (found["verdict"][dead] == "anomaly").sum()
    assert alarms <= (complete["verdict"][dead] == "anomaly").sum() + 5


def test_the_loss_of_a_sensor_is_an_anomaly_of_its_own(detector, frame):
    """Once, where it is missing for longer than its values are filled forward."""
    found = score_frame(detector, frame)
    reported = found[found["reason"] == "s2 is missing"]
    assert reported.index.tolist() == [70]
    assert reported["verdict"].tolist() == ["anomaly"]


def test_masked_cells_do_not_depend_on_the_batch(detector, frame):
    """A frame of the rows from the lookback on gives the same to the last bit."""
    whole = score_frame(detector, frame[:300])
    lookback = pd.Timedelta(detector.scorer.lookback, "ns")
    for row in (71, 80, 152, 240, 245):
        early = frame["time"][row] - lookback
        part = frame[:300][(frame["time"][:300] >= early) & (frame.index[:300] <= row)]
        last = score_frame(detector, part.reset_index(drop=True)).iloc[-1]
        for name in ("score", "p_value", "verdict"):
            assert last[name] == whole[name][row], (row, name)


def test_too_few_columns_are_not_enough(detector, frame):
    """Half of them are needed; without any there is nothing to report."""
    frame.loc[60:239, ["s1", "s3"]] = np.nan
    reasons = set(score_frame(detector, frame)["reason"][80:150])
    assert reasons == {"1 of 4 features observed, 2 needed"}
    frame.loc[60:239, "s0"] = np.nan
    reasons = set(score_frame(detector, frame)["reason"][80:150])
    assert reasons == {"all features are missing for longer than 10min"}


def test_rows_can_be_refused_instead(make_frame, train_on, frame):
    """As set by `missing_after`."""
    learnt = train_on(
        make_frame(features=SENSORS), model=LINEAR, prepare={"missing_after": "refuse"}
    )
    reasons = score_frame(learnt.detector, frame)["reason"]
    assert set(reasons[70:239]) == {"s2 is missing for longer than 10min"}
