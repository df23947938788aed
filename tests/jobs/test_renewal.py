"""Renewal after scoring runs: versions in the registry, and the same bytes in a backfill."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pandas as pd
import pytest
from plant import DAYS, Plant, contents, pure, settings, table, write, write_config
from typer.testing import CliRunner

from aedetect import registry
from aedetect.calibration.history import read_renewal
from aedetect.cli import app
from aedetect.config import make_config
from aedetect.detector import read_saved_history
from aedetect.errors import CalibrationRefused
from aedetect.jobs import reflagging, scoring, training
from aedetect.jobs.event_chain import trace_row
from aedetect.jobs.renewal import renew
from aedetect.jobs.scoring_units import compute_units
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
        write(noisier(number, day), folder / "incoming" / f"{day}.parquet")
        summaries.append(scoring.run_scoring(config))
    return Plant(folder=folder, uri=config.tracking_uri), config, summaries


def noisier(number, day):
    """Return the rows of a day on which the sensors are noisier than the day before."""
    rows = table(day)
    rows["disk"] = 5 + (rows["disk"] - 5) * (1 + number)
    return rows


def judged_by(output):
    """Return the calibration of each day."""
    return [file.origin().calibration_version for file in list_files(output, "scores")]


def test_each_day_is_judged_by_the_calibration_at_its_start(followed):
    """A renewal holds from the day on before which it is made, and changes nothing before."""
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


def test_a_row_is_traced_to_its_own_calibration(followed):
    """Not to the newest one; the first day was judged by that of the training."""
    _, config, _ = followed
    chains = [trace_row(config, f"{day}T12:00", "east") for day in DAYS]
    assert [each.calibration_version for each in chains] == [1, 2, 3]
    told = [each.trained.get("calibrated_for", "") for each in chains]
    assert told[0] == ""
    assert "in force since 2026-01-04 00:00" in told[1]
    assert "2026-01-05" in told[2]


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
    """By hand it is made once for the next day, and then refused with the moment."""
    plant, config, _ = followed
    assert renew(config, only_if_due=True).since == "2026-01-06 00:00:00"
    with pytest.raises(CalibrationRefused, match="in force from 2026-01-06 00:00:00 on"):
        renew(config)
    assert renew(config, only_if_due=True) is None
    path = write_config(plant.folder / "by_hand.toml", plant.given())
    ran = CliRunner().invoke(app, ["calibrate", str(path), "--renew"])
    assert ran.exit_code == 1


def copied(trained, folder, *, partition="day"):
    """Copy a registry into a folder of its own; return a configuration whose thresholds follow."""
    shutil.copytree(trained.folder / "mlruns", folder / "mlruns")
    (folder / "incoming").mkdir()
    given = settings(
        calibration={"shapes": 0.0, "renew": "1d"},
        scoring={"input": "incoming", "partition": partition},
    )
    return make_config(given, folder=folder)


def renewals(config):
    """Return the moments of all renewals, and their factors."""
    registered = registry.find_version("plant", tracking_uri=config.tracking_uri)
    place = registry.fetch_version(registered, tracking_uri=config.tracking_uri)
    newest = read_saved_history(place).newest
    return [read_renewal(place, version) for version in range(2, newest + 1)]


@pytest.mark.parametrize(
    ("partition", "hours", "renewed"), [("day", 12, [24, 48]), ("hour", 8, [1, 7, 13, 19])]
)
def test_a_backfill_is_what_runs_day_by_day_gave(trained, tmp_path, partition, hours, renewed):
    """With runs in the middle of a day, too: the same bytes, calibrations and verdicts."""
    often, once = tmp_path / "often", tmp_path / "once"
    config = copied(trained, often, partition=partition)
    whole = pd.concat(noisier(*each) for each in enumerate(DAYS[: 3 if hours > 8 else 1]))
    for at, rows in whole.groupby(whole["time"].dt.floor(f"{hours}h")):
        write(rows, often / "incoming" / f"{at:%m-%d-%H}.parquet")
        scoring.run_scoring(config)
    backfill = copied(trained, once, partition=partition)
    shutil.copytree(often / "incoming", once / "incoming", dirs_exist_ok=True)
    summary = scoring.run_scoring(backfill)
    assert pure(backfill.output) == pure(config.output)
    found = renewals(config)
    assert renewals(backfill) == found
    passed = [pd.Timestamp(each.since) - pd.Timestamp(DAYS[0]) for each in found]
    assert [each / pd.Timedelta(hours=1) for each in passed] == renewed
    assert summary.calibration_version == found[-1].version == judged_by(backfill.output)[-1]


def test_a_killed_backfill_goes_on(trained, tmp_path):
    """What was renewed and scored before it was killed stays, and the rest is the same."""
    whole, killed = copied(trained, tmp_path / "whole"), copied(trained, tmp_path / "killed")
    for config in (whole, killed):
        for each in enumerate(DAYS):
            write(noisier(*each), config.folder / "incoming" / f"{each[1]}.parquet")
    scoring.run_scoring(whole)
    calls = []

    def compute(units, **given):
        calls.append(units)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return compute_units(units, **given)

    with pytest.raises(KeyboardInterrupt):
        scoring.run_scoring(killed, stages=replace(scoring.PLAIN, compute=compute))
    assert [len(units) for units in calls] == [1, 1]
    assert len(renewals(killed)) == 1
    scoring.run_scoring(killed)
    assert pure(killed.output) == pure(whole.output)
    assert renewals(killed) == renewals(whole)


def test_who_did_not_ask_for_renewals_is_not_told_of_too_few_rows(trained, tmp_path):
    """Scheduled detectors follow by default; a table with few rows is no warning of every run."""
    config = copied(trained, tmp_path / "few")
    for day in DAYS:
        write(table(day).iloc[:300], config.folder / "incoming" / f"{day}.parquet")
    short = replace(config.calibration, renew=None, renew_from="5h")
    config = replace(
        config, calibration=short, scoring=replace(config.scoring, schedule="0 6 * * *")
    )
    assert config.renew == "1d"
    summary = scoring.run_scoring(config)
    assert not [text for text in summary.warnings if "renew" in text]
    assert judged_by(config.output) == [1, 1, 1]
