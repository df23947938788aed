"""The stages of training, with good and bad data."""

from __future__ import annotations

from itertools import combinations

import fsspec
import numpy as np
import pandas as pd
import pytest

from aedetect.errors import AedetectError, NoData, SchemaMismatch, TooFewRows, UnreadableFile
from aedetect.jobs import dataset
from aedetect.preprocessing import Part
from aedetect.scoring import score_frame

LINEAR = {"variant": "linear"}


def rows_in(windows):
    """All rows in the windows of a part."""
    return {row for end in windows.ends for row in range(end - windows.length + 1, end + 1)}


def test_url_of_training_data_is_read_through_fsspec(training_folder, configured, tmp_path):
    """The rows behind a URL are those of the file."""
    content = (training_folder / "train.parquet").read_bytes()
    fsspec.filesystem("memory").pipe("/history/train.parquet", content)
    config = configured(tmp_path, data={"train": "memory://history"})
    behind = dataset.ingest_rows(config, tmp_path).rows
    (tmp_path / "here").mkdir()
    here = dataset.ingest_rows(configured(training_folder), tmp_path / "here").rows
    np.testing.assert_array_equal(behind.values, here.values)


def test_calibration_rows_are_never_trained_on(learnt):
    """No row is in windows of two parts, nor is any between two parts in one."""
    windows = learnt.prepared.windows
    for first, second in combinations((Part.LEARN, Part.VALIDATE, Part.CALIBRATE), 2):
        assert not rows_in(windows[first]) & rows_in(windows[second])


def test_held_out_rows_change_no_weight_and_no_scale(make_frame, train_on):
    """Whatever the last fifth of each unit holds, the scorer is the same."""
    frame = make_frame()
    wild = frame.copy()
    late = frame.groupby("unit").cumcount() >= 400
    wild.loc[late, ["a", "b"]] += 50
    first, second = (train_on(each).detector for each in (frame, wild))
    for one, other in zip(
        first.scorer.model.parameters(), second.scorer.model.parameters(), strict=True
    ):
        assert (one == other).all()
    np.testing.assert_array_equal(
        first.scorer.preparation.scaling.scale, second.scorer.preparation.scaling.scale
    )
    assert first.calibration.threshold.value < second.calibration.threshold.value


def test_windows_do_not_cross_entities(learnt):
    """Each holds rows of one unit only, in steps of a minute."""
    rows = learnt.ingested.rows
    for windows in learnt.prepared.windows.values():
        for end in windows.ends:
            window = slice(end - windows.length + 1, end + 1)
            assert len(set(rows.entity[window])) == 1
            assert (np.diff(rows.time[window]) == 60_000_000_000).all()


def test_the_same_data_and_seed_give_the_same_detector(learnt, learn, training_folder, tmp_path):
    """Byte for byte."""
    for run, detector in enumerate((learnt.detector, learn(training_folder).detector)):
        detector.save(tmp_path / str(run))
    for path in (tmp_path / "0").iterdir():
        assert path.read_bytes() == (tmp_path / "1" / path.name).read_bytes()


def test_training_does_not_depend_on_files_and_their_order(
    make_frame, write, learn, learnt, tmp_path
):
    """Unsorted, with an entity split over files: the same weights as from one sorted file."""
    shuffled = make_frame().sample(frac=1, random_state=0)
    for number in range(3):
        write(shuffled[number::3], tmp_path / "parts" / f"{number}.parquet")
    split = learn(tmp_path, data={"train": "parts"}).detector
    np.testing.assert_array_equal(split.calibration.scores, learnt.detector.calibration.scores)


def test_the_first_of_duplicates_is_used_with_a_note(make_frame, train_on, learnt):
    """The others only appear in a note."""
    frame = make_frame()
    double = pd.concat([frame, frame.iloc[::10].assign(a=1e6)])
    run = train_on(double)
    assert (
        "100 rows repeat an entity and timestamp: the first of each is kept" in run.ingested.notes
    )
    np.testing.assert_array_equal(
        run.detector.calibration.scores, learnt.detector.calibration.scores
    )


def test_the_default_rate_adapts_to_a_small_sample(make_frame, train_on):
    """Few held-out windows are accepted when no rate is configured."""
    detector = train_on(
        make_frame(rows=150), model=LINEAR, calibration={"false_alarm_rate": None}
    ).detector
    held_out = len(detector.calibration.scores)
    assert detector.calibration.threshold.rate == pytest.approx(1 / (held_out + 1), abs=1e-6)


def test_a_constant_column_does_not_dominate_at_its_first_change(make_frame, train_on):
    """Its residual has the scale of other columns, not a hundred million."""
    frame = make_frame().assign(c=5.0)
    detector = train_on(frame).detector
    fresh = make_frame(start="2026-02-01", rows=20).assign(c=5.0)
    before = score_frame(detector, fresh)["score"].iloc[19]
    fresh.loc[19, "c"] = 6.0
    assert before <= score_frame(detector, fresh)["score"].iloc[19] < 100


def test_only_the_column_that_is_missing_throughout_is_left_out(make_frame, train_on):
    """Training continues with a note."""
    run = train_on(make_frame().assign(c=np.nan), model=LINEAR)
    assert run.ingested.schema.names == ("a", "b")
    assert 'column "c" has no value in the normal rows: left out' in run.ingested.notes


def test_training_handles_missing_and_infinite_values(make_frame, train_on):
    """Rows with an infinite value are in no score; no weight and no threshold is NaN."""
    frame = make_frame()
    frame.loc[frame.index % 50 == 3, "a"] = np.inf
    frame.loc[frame.index % 40 == 7, "b"] = np.nan
    detector = train_on(frame).detector
    assert np.isfinite(detector.calibration.scores).all()
    assert np.isfinite(score_frame(detector, make_frame())["score"].iloc[3:500]).all()


def test_an_entity_with_fewer_rows_than_a_window_does_not_stop_training(make_frame, train_on):
    """It is known, but not trained on."""
    frame = pd.concat([make_frame(), make_frame(units=("thin",), rows=3)])
    detector = train_on(frame, model=LINEAR).detector
    assert detector.scorer.preparation.entities == ("east", "thin", "west")
    thin = score_frame(detector, make_frame(units=("thin",), rows=10))
    assert thin["score"].notna().sum() == 7


def test_a_truncated_file_among_good_ones_is_quarantined_with_a_note(
    make_frame, write, learn, tmp_path
):
    """By name; the others are trained on."""
    write(make_frame(), tmp_path / "parts" / "good.parquet")
    path = write(make_frame(seed=1), tmp_path / "parts" / "torn.parquet")
    path.write_bytes(path.read_bytes()[:1000])
    run = learn(tmp_path, data={"train": "parts"}, model=LINEAR)
    (note,) = run.ingested.notes
    assert note.startswith("torn.parquet: is not readable Parquet")
    assert note.endswith("quarantined")


def spoil(frame, **columns):
    """Columns changed, or removed where None."""
    gone = [name for name, values in columns.items() if values is None]
    return frame.drop(columns=gone).assign(
        **{name: values for name, values in columns.items() if values is not None}
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"time": None}, SchemaMismatch, r'train\.parquet has no column "time"'),
        ({"time": "2026-01-01 00:00"}, SchemaMismatch, r'"time" of train\.parquet must be a'),
        ({"unit": None}, SchemaMismatch, r'no column "unit" \(\[data\] entity\)'),
        ({"a": "high"}, SchemaMismatch, None),
        ({"a": "1.5"}, SchemaMismatch, r'"a" of train\.parquet is text where numbers .* cast it'),
        ({"a": np.nan, "b": np.nan}, SchemaMismatch, r'no column can be a feature: column "a" has'),
        ({"time": pd.Timestamp("2026-01-01")}, TooFewRows, r"at least two normal rows of one"),
        ({"time": pd.NaT}, AedetectError, r'"time"|timestamp'),
    ],
)
def test_bad_data_are_refused_with_column_and_remedy(make_frame, train_on, change, error, message):
    """The error states what is wrong, where, and what to do; text states are accepted."""
    frame = spoil(make_frame(rows=200), **change)
    if message is None:
        assert train_on(frame, model=LINEAR).detector is not None
        return
    with pytest.raises(error, match=message):
        train_on(frame, model=LINEAR)


def test_a_missing_feature_is_refused_with_the_nearest(make_frame, train_on):
    """The error also lists all columns."""
    frame = make_frame(rows=100).rename(columns={"a": "temperature"})
    with pytest.raises(SchemaMismatch, match=r'names "temprature".*did you mean "temperature"'):
        train_on(frame, data={"features": ["temprature"]})


def test_no_rows_are_refused(make_frame, train_on):
    """An empty file has nothing to train on."""
    with pytest.raises(NoData, match="none of the 0 rows is normal"):
        train_on(make_frame().iloc[:0])


def test_no_such_file_is_refused(configured, tmp_path):
    """By its path."""
    with pytest.raises(NoData, match=r"no such file or folder: .*train\.parquet"):
        dataset.ingest_rows(configured(tmp_path), tmp_path)


def test_mixed_zones_are_refused(make_frame, write, learn, tmp_path):
    """Both files are named."""
    frame = make_frame(rows=100)
    write(frame, tmp_path / "parts" / "a.parquet")
    zoned = frame.assign(time=frame["time"].dt.tz_localize("UTC"))
    write(zoned, tmp_path / "parts" / "b.parquet")
    with pytest.raises(SchemaMismatch, match=r"zone in b\.parquet and none in a\.parquet"):
        learn(tmp_path, data={"train": "parts"})


def test_a_corrupt_page_is_refused_by_file(make_frame, write, learn, tmp_path):
    """With the remedy."""
    path = write(make_frame(), tmp_path / "train.parquet")
    content = bytearray(path.read_bytes())
    foot = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    content[foot - 3000 : foot] = b"\xff" * 3000
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableFile, match=r"train\.parquet cannot be read.*restore or remove"):
        learn(tmp_path)


@pytest.mark.parametrize(("rows", "part"), [(3, "learn"), (20, "validate"), (30, "validate")])
def test_too_few_rows_are_refused(make_frame, train_on, rows, part):
    """The part that gets no window is named, and what to do."""
    with pytest.raises(
        TooFewRows, match=rf"no window of 4 rows .* of the {part} part: give more rows"
    ):
        train_on(make_frame(units=("east",), rows=rows), model=LINEAR)


def test_rows_without_an_entity_are_neither_trained_on_nor_scored(make_frame, train_on):
    """They may belong to several entities."""
    frame = make_frame()
    frame.loc[500:599, "unit"] = None
    detector = train_on(frame, model=LINEAR, prepare={"per_entity": False}).detector
    found = score_frame(detector, frame)
    assert set(found["reason"][500:600]) == {"entity is missing"}
    assert found["score"][500:600].isna().all()
    assert len(train_on(frame, model=LINEAR).ingested.rows) == 900


def test_known_anomalies_are_not_trained_on(make_frame, train_on):
    """Labelled rows are left out, and a note gives their number."""
    frame = make_frame().assign(bad=False)
    frame.loc[10:19, "bad"] = True
    run = train_on(frame, data={"label": "bad"}, model=LINEAR)
    assert len(run.ingested.rows) == 990
    assert "10 of 1,000 rows are not among the normal ones" in run.ingested.notes[0]
