"""Renewal after scoring runs: versions in the registry, and the same bytes in a backfill."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest
from plant import DAYS, Plant, contents, pure, settings, table, write, write_config
from typer.testing import CliRunner

from aedetect.cli import app
from aedetect.config import make_config
from aedetect.errors import CalibrationRefused
from aedetect.jobs import reflagging, scoring, training
from aedetect.jobs.renewal import renew
from aedetect.output import list_files


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Score three days one by one, on which the sensors become noisier; renew each day."""
    folder = tmp_path_factory.mktemp("renewal")
    write(table("2026-01-01", days=2), folder / "train.parquet")
    config = make_config(settings(calibration={"renew": "1d"}), folder=folder)
    training.run_training(config)
    summaries = []
    for number, day in enumerate(DAYS):
        rows = table(day)
        rows["disk"] = 5 + (rows["disk"] - 5) * (1 + number)
        write(rows, folder / "incoming" / f"{day}.parquet")
        summaries.append(scoring.run_scoring(config))
    return Plant(folder=folder, uri=config.tracking_uri), config, summaries


def judged_by(output):
    """Return the calibration of each day."""
    return [file.origin().calibration_version for file in list_files(output, "scores")]


def test_each_day_is_judged_by_the_calibration_at_its_start(followed):
    """A renewal after a run holds from the next day on, and changes nothing before."""
    plant, _, summaries = followed
    assert judged_by(plant.output) == [1, 2, 3]
    assert not [text for each in summaries for text in each.warnings if "renewed" in text]
    flagged = [pd.read_parquet(f.path) for f in list_files(plant.output, "flagged")]
    rise = [rows["threshold"].max() for rows in flagged]
    assert rise[2] > rise[1]


def test_the_outcome_is_that_of_all_days_whose_calibrations_renew_one(followed):
    """Beside the promise that all of them keep: counted rows and flagged ones are those written."""
    plant, _, summaries = followed
    together = [each for each in summaries[-1].outcome if each.together]
    tables = [pd.read_parquet(file.path) for file in list_files(plant.output, "scores")]
    judged = pd.concat(tables)["verdict"].isin(["normal", "anomaly"]).sum()
    flagged = sum(len(pd.read_parquet(f.path)) for f in list_files(plant.output, "flagged"))
    assert [(each.period, each.days) for each in together] == [(7, 3), (30, 3)]
    assert {each.rows for each in together} == {judged}
    assert {each.flagged for each in together} == {flagged}


def test_a_backfill_gives_the_same_bytes(followed):
    """All at once into a new output, again in place, and flagged again from the scores."""
    plant, config, _ = followed
    before = contents(plant.output)
    plant.score(output="again")
    assert pure(plant.folder / "again") == pure(plant.output)
    scoring.run_scoring(replace(config, calibration=plant.config().calibration), rescore=True)
    done = reflagging.run_reflagging(plant.config())
    assert (done.partitions, done.current) == (0, 3)
    assert contents(plant.output) == before


def test_a_late_row_is_judged_as_its_day_was(followed, tmp_path):
    """The calibration of the day, not the newest one."""
    plant, _, _ = followed
    shutil.copytree(plant.incoming, tmp_path / "incoming")
    shutil.copytree(plant.output, tmp_path / "output")
    late = Plant(folder=tmp_path, uri=plant.uri)
    late.score()
    path = late.incoming / f"{DAYS[1]}.parquet"
    write(pd.read_parquet(path).drop(index=5), path)
    assert late.score().partitions >= 1
    assert judged_by(late.output) == [1, 2, 3]


def test_a_refused_renewal_is_a_warning_of_the_run(followed, tmp_path):
    """The verdicts are written, and the thresholds stay."""
    plant, config, _ = followed
    shutil.copytree(plant.incoming, tmp_path / "incoming")
    write(table("2026-01-06").iloc[:300], tmp_path / "incoming" / "2026-01-06.parquet")
    short = replace(config.calibration, renew_from="5h")
    moved = replace(plant.config(), folder=tmp_path, calibration=short)
    summary = scoring.run_scoring(moved)
    assert summary.status == "done"
    assert any("not renewed: a renewal needs" in text for text in summary.warnings)


def test_nothing_newer_is_no_renewal(followed):
    """By hand it is refused with the moment; a scoring run leaves it."""
    plant, config, _ = followed
    with pytest.raises(CalibrationRefused, match="in force from 2026-01-06 00:00:00 on"):
        renew(config)
    assert renew(config, only_if_due=True) is None
    path = write_config(plant.folder / "by_hand.toml", plant.given())
    ran = CliRunner().invoke(app, ["calibrate", str(path), "--renew"])
    assert ran.exit_code == 1
