"""Counters and fill values: the same in training, in files, in partitions and in data frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.detector import CalibratedScorer
from aedetect.errors import SchemaMismatch
from aedetect.registry.pyfunc_model import restore_types
from aedetect.scoring import score_frame, score_rows

LATER = "2026-02-01"


def metered(make_frame, *, start="2026-01-01", rows=600, seed=0, at=5000):
    """Two units with an energy meter that starts again, a sensor with -9999, and a row number."""
    frame = make_frame(start=start, rows=rows, seed=seed)
    random = np.random.default_rng(seed)
    steps = random.integers(5, 15, len(frame))
    frame["energy"] = (at + np.cumsum(steps)) % 4096
    frame["row"] = np.arange(len(frame)) + 7
    frame.loc[random.random(len(frame)) < 0.02, "b"] = -9999.0
    return frame


@pytest.fixture(scope="module")
def meter(tmp_path_factory, make_frame, write, learn):
    """A training run on it."""
    folder = tmp_path_factory.mktemp("meter")
    write(metered(make_frame), folder / "train.parquet")
    return learn(folder, data={"max_gap": "5min"})


@pytest.fixture
def later(make_frame):
    """Newer rows: resets, gaps, repeated rows, missing cells, and a jump of the meter."""
    frame = metered(make_frame, start=LATER, seed=3, at=900)
    frame["energy"] = frame["energy"].astype(float)
    frame.loc[100:104, "energy"] = np.nan
    frame.loc[200, "energy"] = -9999.0
    frame.loc[400, "energy"] += 300  # and back in the next row
    again = frame.iloc[[300, 301]].assign(energy=1e9)
    return pd.concat([frame.drop(index=[*range(250, 260), 320, 700]), again], ignore_index=True)


def test_what_was_found_is_kept_with_the_detector(meter, tmp_path):
    """The meter is a counter, -9999 a missing value, the row number left out; notes say so."""
    features = {each.name: each for each in meter.ingested.schema.features}
    assert set(features) == {"a", "b", "energy"}
    assert (features["energy"].counter, features["a"].counter) == (True, False)
    assert (features["b"].missing, features["a"].missing) == ((-9999.0,), ())
    assert 5 <= features["energy"].low < features["energy"].high <= 14
    assert features["b"].low > 0
    notes = " ".join(meter.ingested.notes)
    assert 'column "energy" only grows: its increase from row to row is learnt' in notes
    assert 'column "b" holds -9999 in ' in notes
    assert 'column "row" grows by 1 in nearly every row' in notes
    meter.detector.save(tmp_path)
    assert CalibratedScorer.load(tmp_path).scorer.schema == meter.ingested.schema


def test_normal_rows_stay_normal(meter, make_frame, write, tmp_path, score_files):
    """At levels that training never had, with resets, missing cells and fill values."""
    write(metered(make_frame, start=LATER, seed=4, at=2000), tmp_path / "new.parquet")
    scored = score_files(meter.detector, tmp_path)
    assert (scored["verdict"] == "anomaly").mean() < 0.15  # not all of them; 0.02 is promised
    assert (scored["verdict"] == "not_scored").sum() == 2 * 3


def test_a_jump_of_the_meter_is_an_anomaly_with_the_increase_as_its_cause(meter, make_frame):
    """The cause is shown by the column's name, what was observed by the increase."""
    frame = metered(make_frame, start=LATER, seed=4, at=0)
    frame = frame.iloc[:100].astype({"energy": float})
    frame.loc[60:, "energy"] += 500
    row = score_frame(meter.detector, frame, causes=True).iloc[60]
    assert row["verdict"] == "anomaly"
    cause = row["causes"][0]
    assert cause["feature"] == "energy (increase)"
    assert 505 <= cause["observed"] <= 514
    assert 5 <= cause["expected"] <= 14


def test_partitions_score_as_all_rows_do(meter, later, write, tmp_path):
    """A partition reads what a row depends on: the reading before the first row, too."""
    write(later.sample(frac=1, random_state=0), tmp_path / "new.parquet")
    detector = meter.detector
    whole = scores_from(detector, tmp_path, None)
    lookback = detector.scorer.lookback
    first = int(whole.index.get_level_values("time").min())
    for minutes in (3, 101, 106, 201, 249, 255, 261, 321, 401, 555):
        start = first + minutes * 60 * 10**9
        part = scores_from(detector, tmp_path, start - lookback)
        part = part[part.index.get_level_values("time") >= start]
        expected = whole[whole.index.get_level_values("time") >= start]
        pd.testing.assert_frame_equal(part, expected)


def scores_from(detector, folder, start):
    """Scores and verdicts of the rows since a moment, by entity and time."""
    files = find_files([str(folder)], timestamp="time").files
    query = Query.of(detector.scorer.schema, files, start=start)
    with open_engine(memory_mb=200, scratch=folder) as connection:
        (rows,) = read_rows(connection, query)
    scored = score_rows(detector, rows, np.ones(len(rows), dtype=bool))
    names = np.array(rows.names)[rows.entity]
    index = pd.MultiIndex.from_arrays([names, rows.time], names=["unit", "time"])
    reasons = scored.reason_text.to_pylist()
    frame = pd.DataFrame({"score": scored.score, "reason": reasons}, index=index)
    return frame[~rows.duplicates]


def test_frames_score_as_files_do(meter, later, write, tmp_path, score_files):
    """In any order; as MLflow hands rows over, too."""
    write(later, tmp_path / "new.parquet")
    files = score_files(meter.detector, tmp_path)
    shuffled = later.sample(frac=1, random_state=1)
    for frame in (later, restore_types(shuffled, schema=meter.ingested.schema)):
        scored = score_frame(meter.detector, frame)
        scored = scored.sort_values(["entity", "timestamp"], kind="stable", ignore_index=True)
        columns = ["timestamp", "entity", "score", "verdict"]
        if frame is not later:  # which of two rows at one moment comes first differs
            columns = columns[:2]
        pd.testing.assert_frame_equal(scored[columns], files[columns], check_dtype=False)


@pytest.mark.parametrize(
    ("data", "counters", "names"),
    [
        ({"counters": "keep"}, set(), {"a", "b", "energy", "row"}),
        ({"counters": ["row"]}, {"row"}, {"a", "b", "energy", "row"}),
        ({"counters": ["r*", "energy"]}, {"row", "energy"}, {"a", "b", "energy", "row"}),
        ({"features": ["row", "a"]}, {"row"}, {"a", "row"}),
        ({"features": ["*"]}, {"energy"}, {"a", "b", "energy"}),
    ],
)
def test_counters_are_overruled(make_frame, write, tmp_path, configured, data, counters, names):
    """Kept as they are, or named; a feature that is named is never left out."""
    from aedetect.jobs.dataset import ingest_rows

    write(metered(make_frame), tmp_path / "train.parquet")
    schema = ingest_rows(configured(tmp_path, data=data), tmp_path).schema
    assert set(schema.names) == names
    assert {each.name for each in schema.features if each.counter} == counters


def test_a_counter_that_is_no_column_is_refused(make_frame, write, tmp_path, configured):
    """The nearest column is named."""
    from aedetect.jobs.dataset import ingest_rows

    write(metered(make_frame), tmp_path / "train.parquet")
    with pytest.raises(SchemaMismatch, match=r'counters names "enrgy".*did you mean "energy"'):
        ingest_rows(configured(tmp_path, data={"counters": ["enrgy"]}), tmp_path)


def test_fill_values_are_kept_or_named(make_frame, write, tmp_path, configured):
    """Kept, a value is one; named, a number is missing in every column of numbers."""
    from aedetect.jobs.dataset import ingest_rows

    frame = metered(make_frame).assign(on=True)
    write(frame, tmp_path / "train.parquet")
    kept = ingest_rows(configured(tmp_path, data={"fill_values": "keep"}), tmp_path)
    assert kept.schema.features[1].low == -9999
    named = configured(tmp_path, data={"fill_values": "keep", "missing_values": [-9999, 1]})
    ingested = ingest_rows(named, tmp_path)
    missing = {each.name: each.missing for each in ingested.schema.features}
    assert missing == {"a": (-9999, 1), "b": (-9999, 1), "energy": (-9999, 1), "on": ()}
    assert ingested.schema.features[1].low > 0
    assert np.isnan(np.asarray(ingested.rows.values)[:, 1]).sum() == (frame["b"] == -9999).sum()


@pytest.mark.parametrize("share", [0.001, 0.3])
def test_a_fill_value_does_not_become_normal(make_frame, train_on, share):
    """900 is as far off 10 as it was without 9.96921e36 in the training rows."""
    frame = make_frame()
    frame.loc[np.random.default_rng(0).random(len(frame)) < share, "b"] = 9.96921e36
    detector = train_on(frame).detector
    new = make_frame(start=LATER, rows=50)
    new.loc[40, "b"] = 900.0
    verdicts = score_frame(detector, new)["verdict"]
    assert verdicts[40] == "anomaly"


@pytest.mark.parametrize("scaler", ["standard", "robust", "minmax", "quantile"])
def test_no_number_ends_a_training(make_frame, train_on, tmp_path, scaler):
    """Not the largest one, be it kept as a value, nor many different huge ones."""
    frame = make_frame()
    frame.loc[[7, 600], "b"] = [1.7e308, -1.7e308]
    frame.loc[[17, 610], "a"] = [1e200, -3e299]
    learnt = train_on(frame, data={"fill_values": "keep"}, prepare={"scaler": scaler})
    learnt.detector.save(tmp_path / "saved")
    new = make_frame(start=LATER, rows=50)
    new.loc[40, "b"] = 1.7e308
    scored = score_frame(CalibratedScorer.load(tmp_path / "saved"), new)
    assert scored["verdict"][40] == "anomaly"
    assert np.isfinite(scored["score"][40])
    if scaler != "minmax":
        assert scored["verdict"].tolist().count("anomaly") < 25  # of 100
