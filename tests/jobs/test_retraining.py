"""Training again for age and drift: when, on which rows, and how often."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from plant import settings, table, write, write_config
from typer.testing import CliRunner

from aedetect import registry
from aedetect.cli import app
from aedetect.config import make_config
from aedetect.drift import find_shifts
from aedetect.errors import TooFewRows
from aedetect.jobs import scoring, training
from aedetect.jobs.dataset import ingest_rows
from aedetect.jobs.retraining import retraining_due, suggest_training
from aedetect.registry.tags import read_model_tags
from aedetect.scoring import Model
from aedetect.timestamps import parse_instant

AGED = {"epochs": 1, "max_age": "1d", "window": "2d", "hold_off": "2d"}


def detector(folder, **sections):
    """Train on two days; the configuration, with a gate that a few rows can pass."""
    write(table("2026-01-01", days=2), folder / "train.parquet")
    config = make_config(settings(**sections), folder=folder)
    training.run_training(config)
    return config


def pass_day(config, day, change=None):
    """Let a day arrive, and score it."""
    rows = table(day)
    write(rows if change is None else change(rows), config.folder / f"incoming/{day}.parquet")
    return scoring.run_scoring(config)


def test_a_window_takes_the_newest_rows_of_all_files(tmp_path):
    """Of the training data and the input together; a file that ended before is not read."""
    write(table("2026-01-01", days=2), tmp_path / "train.parquet")
    for day in ("2026-01-03", "2026-01-04"):
        write(table(day), tmp_path / f"incoming/{day}.parquet")
    for window, since in (("1d", "2026-01-03T23:59"), ("3d", "2026-01-01T23:59")):
        config = make_config(settings(training={"window": window}), folder=tmp_path)
        scratch = tmp_path / window
        scratch.mkdir()
        ingested = ingest_rows(config, scratch)
        assert ingested.rows.time.min() == parse_instant(since)
        assert ingested.rows.time.max() == parse_instant("2026-01-04T23:59")
        assert any("[training] window" in note for note in ingested.notes)
    names = {file.name for file in ingested.source.files}
    assert names == {"train.parquet", "2026-01-03.parquet", "2026-01-04.parquet"}


def test_an_old_champion_is_trained_again_once(tmp_path):
    """A run says so; what was trained waits for the gate and for people, not for another one."""
    config = detector(tmp_path, training=AGED)
    first = pass_day(config, "2026-01-03")
    (warning,) = [text for text in first.warnings if "training is due" in text]
    assert "plant/1 knows data up to 2026-01-02T23:59" in warning
    _, made = training.retrain_if_due(config)
    assert made.tags["trained_because"] in warning
    assert made.tags["trained_from"] >= "2026-01-01T23:59"
    assert made.tags["held_out_until"] == "2026-01-03T23:59:00"
    assert "the gate" in made.tags["gate"]
    assert training.retrain_if_due(config) is None
    again = pass_day(config, "2026-01-04")
    assert not [text for text in again.warnings if "training is due" in text]


def test_a_training_that_fails_is_tried_again_after_the_hold_off(tmp_path):
    """The failure is on record; the next runs do not repeat it."""
    config = detector(tmp_path, training=AGED)
    broken = replace(config, window=replace(config.window, length=50_000))
    pass_day(config, "2026-01-03")
    with pytest.raises(TooFewRows):
        training.retrain_if_due(broken)
    kept = json.loads(read_model_tags("plant", tracking_uri=config.tracking_uri)["retraining"])
    assert "fits the rows" in kept["outcome"]
    pass_day(config, "2026-01-04")
    assert retraining_due(config) is None
    pass_day(config, "2026-01-05")
    assert retraining_due(config) is not None


def test_drift_of_all_entities_asks_for_a_training_and_that_of_one_does_not(tmp_path):
    """A slow fault of a single one must not be learnt."""
    write(table("2026-01-01", days=4), tmp_path / "train.parquet")
    config = make_config(
        settings(training={"epochs": 1, "on_drift": True, "window": "9d"}), folder=tmp_path
    )
    training.run_training(config)

    def shifted(rows, units):
        moved = rows["unit"].isin(units)
        return rows.assign(disk=rows["disk"].where(~moved, rows["disk"] + 30))

    for units, due in ((("east",), False), (("east", "west"), True)):
        own = replace(
            config, scoring=replace(config.scoring, input=f"in-{due}", output=f"out-{due}")
        )
        for day in ("2026-01-05", "2026-01-06", "2026-01-07"):
            write(shifted(table(day), units), tmp_path / f"in-{due}/{day}.parquet")
            # The first days of a new normal are too few to be learnt.
            early = retraining_due(own)
            assert early is None
            scoring.run_scoring(own)
        found = retraining_due(own)
        assert (found is not None) == due
    assert "2 entities together" in found.because
    assert found.learning(own).training.window == "3d"
    assert "CONFIG --set training.window=3d`" in suggest_training(own, found)
    within = replace(found, length=found.length + 12_345_000_000_000)  # a change in the night
    assert within.learning(own).training.window == "3d"

    # The next version is judged by its own days.
    champion = registry.find_version("plant", tracking_uri=config.tracking_uri)
    place = registry.fetch_version(champion, tracking_uri=config.tracking_uri)
    for day in ("2026-01-08", "2026-01-09"):
        write(shifted(table(day), ("east", "west")), tmp_path / f"in-True/{day}.parquet")
    scoring.run_scoring(own, model=Model(folder=str(place), name="plant", version=2))
    assert {each.since for each in find_shifts(own.output)} == {"2026-01-08"}


def test_a_version_trained_in_the_middle_of_a_change_is_trained_again(tmp_path):
    """On what came after the change alone, once there are three days of it."""
    rows = table("2026-01-01", days=2)
    late = rows["time"] >= "2026-01-02T16:00"
    rows["disk"] = rows["disk"].where(~late, rows["disk"] + 30)
    write(rows, tmp_path / "train.parquet")
    given = settings(training={"epochs": 1, "on_drift": True, "window": "9d"})
    config = make_config(given, folder=tmp_path)
    _, made = training.run_training(config)
    changed = made.tags["levels_changed"]
    assert made.tags["held_out_from"] <= changed <= "2026-01-02T16:10"
    shown = CliRunner().invoke(app, ["models", str(write_config(tmp_path / "p.toml", given))])
    assert f"normal has changed on {changed}" in shown.stdout
    for day in ("2026-01-03", "2026-01-04", "2026-01-05"):
        assert retraining_due(config) is None
        moved = table(day)
        write(moved.assign(disk=moved["disk"] + 30), tmp_path / f"incoming/{day}.parquet")
        scoring.run_scoring(config)
    found = retraining_due(config)
    assert "levels changed" in found.because
    _, again = training.retrain_if_due(config)
    assert again.tags["trained_from"][:14] >= changed[:14]
    assert again.tags["levels_changed"] == changed  # to learn more of it


def test_same_data_are_not_learnt_twice(tmp_path):
    """Without a window and without new files there is nothing new."""
    config = detector(tmp_path, training={"epochs": 1, "max_age": "1d"})
    pass_day(config, "2026-01-03")
    assert retraining_due(config) is None
    write(table("2026-01-03"), tmp_path / "train" / "more.parquet")
    more = replace(config, data=replace(config.data, train=("train.parquet", "train")))
    assert retraining_due(more) is not None
    assert len(registry.list_versions(name="plant", tracking_uri=config.tracking_uri)) == 1
