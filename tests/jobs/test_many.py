"""Many detectors: one for each value of a column, and several configurations."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import merged, settings_of_each

from aedetect.config import make_config, of_value
from aedetect.errors import ConfigError, DataError, RunFailed
from aedetect.jobs import training_work
from aedetect.jobs.check_values import check_values_data
from aedetect.jobs.scoring_many import check_values, score_values
from aedetect.jobs.scoring_work import RunOptions
from aedetect.jobs.training import run_training
from aedetect.jobs.training_many import raise_failed, train_many
from aedetect.jobs.value_outputs import champions_of_values, read_all_events, read_all_runs
from aedetect.output.partitions import Span
from aedetect.registry import sqlite_reader
from aedetect.registry.champions import find_champions

ROWS = 400


def configured(folder, **sections):
    """The configuration of a detector for each site."""
    own = {"data": {"train": "history"}, "scoring": {"input": "in", "output": "out"}}
    given = settings_of_each("site", **merged(own, sections))
    return make_config(given, folder=folder)


@pytest.fixture(scope="module")
def sites(make_frame):
    """Rows of two days of three sites, of which one has few; ordered by time, as they arrive."""
    frame = make_frame(units=("east", "west", "Halle 3"), rows=ROWS)
    frame = frame.rename(columns={"unit": "site"})
    few = (frame["site"] == "Halle 3") & (frame.groupby("site").cumcount() >= 100)
    return frame[~few].sort_values("time", kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory, sites, write):
    """A folder in which the detectors are trained, and what became of each."""
    folder = tmp_path_factory.mktemp("many")
    write(sites, folder / "history" / "all.parquet", row_group_size=500)
    return folder, train_many([configured(folder)], processes=1)


@pytest.fixture
def plants(made, sites, write, tmp_path):
    """A configuration with trained detectors, and two files to score."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True, symlinks=True)
    middle = len(sites) // 2
    write(sites.iloc[:middle], tmp_path / "in" / "a.parquet")
    write(sites.iloc[middle:], tmp_path / "in" / "b.parquet")
    return configured(tmp_path)


def outcomes(scored):
    """The partitions that were computed, by value; None without a run."""
    return {each.value: each.summary and each.summary.partitions for each in scored.values}


def verdicts(output):
    """All scores of an output as they are."""
    files = sorted(output.glob("scores/**/*.parquet"))
    return pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)


def test_each_value_has_a_version_of_its_own_and_a_failed_one_fails_alone(made):
    """It is named, with the reason and the remedy."""
    folder, trained = made
    assert [each.value for each in trained] == ["Halle 3", "east", "west"]
    broken, east, west = trained
    assert broken.registered is None
    assert "needs 49 held-out windows, got 17" in broken.error
    assert [east.registered.reference, west.registered.reference] == [
        "plant-east/1",
        "plant-west/1",
    ]
    assert east.registered.aliases == ("challenger", "champion")
    assert (east.rows, east.registered.tags["value"]) == (ROWS, "east")
    found = champions_of_values(configured(folder))
    assert [each.name for each in found] == ["plant-east", "plant-west"]
    with pytest.raises(RunFailed, match=r"1 of 3 detectors failed, .*: plant-Halle_3-\w+: a false"):
        raise_failed(trained)


def test_scores_are_those_of_a_detector_that_is_alone(plants, sites, write, tmp_path):
    """Whether its rows came with those of others or in files of their own."""
    score_values(plants, processes=1)
    write(sites[sites["site"] == "east"], tmp_path / "alone" / "east.parquet")
    single = make_config(
        {
            "detector": {"name": "single"},
            "data": {"train": "alone", "timestamp": "time", "entity": "site"},
            "window": {"length": 4},
            "model": {"variant": "linear"},
            "calibration": {"false_alarm_rate": 0.02, "shapes": 0.0},
        },
        folder=tmp_path,
    )
    alone, _ = run_training(single)
    found = verdicts(plants.output / "site=east")
    assert len(found) == ROWS
    assert set(found["entity"]) == {"east"}
    from aedetect.scoring import score_frame

    frame = sites[sites["site"] == "east"].reset_index(drop=True)
    expected = score_frame(alone, frame)
    np.testing.assert_array_equal(found["score"], expected["score"])
    assert list(found["verdict"]) == list(expected["verdict"])


def test_no_row_is_dropped_silently(plants, sites):
    """Each is scored, or its value is named as one without a detector."""
    scored = score_values(plants, processes=1)
    assert outcomes(scored) == {"Halle 3": None, "east": 1, "west": 1}
    (unknown,) = scored.unknown
    assert (unknown.input_rows, unknown.files) == (100, 1)
    assert "there is no detector plant-Halle_3-" in unknown.error
    assert scored.rows + unknown.input_rows == len(sites)
    assert scored.failed == ()
    check_values(scored, strict=False)
    with pytest.raises(DataError, match="there is no detector for Halle 3: "):
        check_values(scored, strict=True)


def test_a_second_run_does_nothing_and_a_change_computes_one_value(plants, sites, write):
    """A file that is written again with other rows of one site changes that site alone."""
    assert score_values(plants, processes=1).rows == 2 * ROWS
    assert outcomes(score_values(plants, processes=1)) == {"Halle 3": None, "east": 0, "west": 0}
    later = sites.iloc[len(sites) // 2 :].copy()
    later.loc[later["site"] == "east", "a"] += 0.5
    write(later, plants.folder / "in" / "b.parquet")
    assert outcomes(score_values(plants, processes=1)) == {"Halle 3": None, "east": 1, "west": 0}


def test_a_run_that_fails_fails_alone(plants):
    """Its value is named; all others are scored."""
    place = of_value(plants, "west").output
    place.mkdir(parents=True)
    (place / "scores").write_text("no folder")
    scored = score_values(plants, processes=1)
    (failed,) = scored.failed
    assert (failed.value, scored.rows) == ("west", ROWS)
    with pytest.raises(RunFailed, match="1 of 3 runs failed, all others are done: plant-west: "):
        check_values(scored, strict=False)


def test_events_and_runs_of_all_values_are_read_together(plants, sites, write):
    """The most anomalous first, and the newest first."""
    wild = sites.copy()
    wild.loc[wild["time"].between("2026-01-01 05:00", "2026-01-01 05:20"), ["a", "b"]] += 9
    write(wild, plants.folder / "in" / "c.parquet")
    write(wild.iloc[:0], plants.folder / "in" / "a.parquet")
    write(wild.iloc[:0], plants.folder / "in" / "b.parquet")
    score_values(plants, processes=1, options=RunOptions(config_path="plant.toml"))
    events = read_all_events(plants, Span(), suppressed=False)
    assert {"east", "west"} <= set(events["entity"].to_pylist()[:3])
    runs = read_all_runs(plants, limit=5)
    assert [run["model"] for run in runs] == ["plant-west/1", "plant-east/1"]


def test_one_value_is_trained_and_scored_by_itself(plants):
    """With [detector] only, by every command: its data are divided anew first."""
    one = configured(plants.folder, detector={"only": "east"})
    from aedetect.jobs.scoring import run_scoring

    assert run_scoring(one).rows == ROWS
    _, registered = run_training(one)
    assert registered.reference == "plant-east/2"


def test_the_registry_is_asked_once(plants, monkeypatch):
    """A SQLite file in one transaction; by MLflow the answer is the same."""
    names = ["plant-east", "plant-west", "plant-north"]
    asked = {"prefix": "plant-", "tracking_uri": plants.tracking_uri}
    found = find_champions(names, **asked)
    assert sorted(found) == ["plant-east", "plant-west"]
    monkeypatch.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset())
    by_mlflow = find_champions(names, **asked)
    assert {n: (v.registered.reference, v.location) for n, v in by_mlflow.items()} == {
        n: (v.registered.reference, v.location) for n, v in found.items()
    }


def test_check_says_which_values_there_are_and_which_are_too_few(plants, tmp_path):
    """With the rows of each, and why training would refuse one."""
    found = check_values_data(plants, tmp_path / "scratch")
    assert [(each.value, each.rows, each.input_rows) for each in found.values] == [
        ("Halle 3", 100, 100),
        ("east", ROWS, ROWS),
        ("west", ROWS, ROWS),
    ]
    (few,) = [each for each in found.findings if each.subject == "Halle 3"]
    assert few.text.startswith("training refuses it: a false_alarm_rate of 0.02 needs 49")
    assert found.checked.grade != "refuse"


def test_several_configurations_are_trained_together(plants):
    """One without data fails alone; two of one name are refused before anything is trained."""
    assert train_many([plants], if_due=True) == ()
    first = of_value(plants, "east")
    missing = replace(first, detector=replace(first.detector, name="gone"))
    missing = replace(missing, data=replace(missing.data, train=str(plants.folder / "nowhere")))
    good, bad = train_many([first, missing], processes=1)
    assert good.registered.reference == "plant-east/2"
    assert bad.error.startswith("no such file or folder: ")
    with pytest.raises(ConfigError, match="two detectors are named plant-east"):
        train_many([first, first], processes=1)


def test_an_unexpected_error_is_a_result(made, monkeypatch):
    """The process goes on with the next detector."""
    monkeypatch.setattr(training_work, "train_detector", lambda *_: 1 / 0)
    config = of_value(configured(made[0]), "east")
    packed = training_work.train_packed(b"", pickle.dumps(config))
    error = pickle.loads(packed)  # noqa: S301
    assert str(error) == "unexpected ZeroDivisionError: division by zero"
