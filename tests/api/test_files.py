"""The jobs on files in this process, and loading detectors from all sources."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import plant as plants
import pyarrow.parquet as pq
import pytest

import aedetect

KEYS = ["entity", "timestamp", "reason", "score"]


def rows_of(folder):
    """The rows of all files below a folder."""
    files = sorted(folder.rglob("*.parquet"))
    return pd.concat([pq.ParquetFile(path).read().to_pandas() for path in files])


def ordered(frame):
    """Rows in a canonical order."""
    return frame.sort_values(KEYS, ignore_index=True)


def test_a_frame_is_scored_as_its_files_are(plant):
    """Verdicts as in `scores/`, causes as in `flagged/`, in the order of the rows."""
    summary = aedetect.score(plant.config())
    frame = rows_of(plant.incoming).sample(frac=1, random_state=0)
    found = aedetect.load_detector(plant.config()).score(frame)
    assert found.index.equals(frame.index)
    assert found["timestamp"].tolist() == frame["time"].tolist()
    assert found["entity"].tolist() == frame["unit"].tolist()
    expected = rows_of(plant.output / "scores")
    assert summary.rows == len(found) == len(expected) == plants.ARRIVED
    verdicts = list(expected.columns)
    pd.testing.assert_frame_equal(ordered(found)[verdicts], ordered(expected), check_dtype=False)
    flagged = ordered(rows_of(plant.output / "flagged"))
    anomalies = ordered(found[found["verdict"] == "anomaly"])
    assert summary.flagged == len(flagged) == len(anomalies) > 0
    assert anomalies["causes"].tolist() == [list(each) for each in flagged["causes"]]
    assert found.loc[found["verdict"] != "anomaly", "causes"].isna().all()


def test_scoring_reports_and_repeats(plant):
    """A path is enough; scored data is up to date, unless forced."""
    path = plant.written()
    first = aedetect.score(str(path))
    assert (first.status, first.partitions, first.current) == ("done", 3, 0)
    assert first.started is not None
    assert aedetect.score(path).partitions == 0
    assert aedetect.score(path, since="2026-01-05", force=True).partitions == 1
    since = datetime(2026, 1, 4, tzinfo=UTC)
    until = datetime(2026, 1, 5, tzinfo=UTC)
    assert aedetect.score(path, since=since, until=until, force=True).partitions == 1


def test_events_are_read_as_a_frame(plant):
    """From a configuration, its file or the output; the causes are lists."""
    with pytest.raises(aedetect.NoData, match="run `aedetect score CONFIG` first"):
        aedetect.read_events(plant.config())
    path = plant.written()
    aedetect.score(path)
    events = aedetect.read_events(path)
    assert len(events) > 0
    assert events["causes"].iloc[0][0]["feature"] in {"cpu", "load", "disk"}
    for source in (plant.config(), plant.output, str(plant.output)):
        pd.testing.assert_frame_equal(aedetect.read_events(source), events)
    assert len(aedetect.read_events(path, since="2027-01-01")) == 0


def test_training_registers_and_returns_the_detector(tmp_path, trained):
    """The same detector is loaded by name."""
    history = pq.ParquetFile(trained.folder / "train.parquet").read().to_pandas()
    plants.write(history, tmp_path / "train.parquet")
    given = plants.settings(model={"variant": "linear"})
    result = aedetect.train(plants.write_config(tmp_path / "plant.toml", given))
    assert result.registered.reference == "plant/1"
    assert "champion" in result.registered.aliases
    uri = f"sqlite:///{tmp_path / 'mlruns/mlflow.db'}"
    loaded = aedetect.load_detector("plant@champion", tracking_uri=uri)
    part = history.head(500)
    pd.testing.assert_frame_equal(loaded.score(part), result.detector.score(part))


@pytest.mark.parametrize(
    "reference", ["models:/plant@champion", "plant@champion", "plant/1", "plant"]
)
def test_a_registered_detector_is_loaded_by_name(trained, reference):
    """In the notation of MLflow or of a configuration."""
    detector = aedetect.load_detector(reference, tracking_uri=trained.uri)
    assert isinstance(detector, aedetect.Detector)
    assert detector.features == ("cpu", "load", "disk")


def test_a_folder_is_loaded_by_its_path(trained, tmp_path, monkeypatch):
    """By a string or a path; a folder without a detector is refused."""
    detector = aedetect.load_detector("plant/2", tracking_uri=trained.uri)
    detector.save(tmp_path / "plant")
    monkeypatch.chdir(tmp_path)
    for source in ("plant", tmp_path / "plant"):
        assert aedetect.load_detector(source).config_hash == detector.config_hash
    with pytest.raises(aedetect.BrokenDetector):
        aedetect.load_detector(tmp_path / "nothing")


def test_what_cannot_be_loaded_is_refused(trained, plant, tmp_path, monkeypatch):
    """An unknown name, a missing file, and two registries."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(aedetect.UnknownModel, match='no "plant@champion"'):
        aedetect.load_detector("models:/plant@champion")
    with pytest.raises(aedetect.UnknownModel, match="plant/1"):
        aedetect.load_detector("plant@nobody", tracking_uri=trained.uri)
    with pytest.raises(aedetect.ConfigError, match=r"nothing\.toml is not there"):
        aedetect.load_detector("nothing.toml")
    with pytest.raises(aedetect.ConfigError, match=r"set \[registry\] tracking_uri instead"):
        aedetect.load_detector(plant.config(), tracking_uri=trained.uri)
