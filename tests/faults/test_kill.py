"""A run killed at any time leaves complete files, and the next run completes the work."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import harm
import pyarrow.parquet as pq
import pytest
from plant import Plant, settings, write_config

from aedetect import registry
from aedetect.config import read_config
from aedetect.errors import UnknownModel
from aedetect.jobs import scoring

SEED = 20260103
KILLS = 5


@pytest.fixture(scope="module")
def hourly(tmp_path_factory, trained, arrived):
    """Score three days by the hour, undisturbed, and measure how long it takes."""
    folder = tmp_path_factory.mktemp("hourly")
    shutil.copytree(arrived, folder / "incoming")
    plant = Plant(folder=folder, uri=trained.uri)
    config = plant.written(partition="hour")
    harm.start(harm.load).join()  # the process that the others are forked from
    begin = time.monotonic()
    process = harm.start(harm.score, config, "output")
    process.join()
    assert process.exitcode == 0
    return plant, config, time.monotonic() - begin


def test_killed_run_is_completed_by_the_next(hourly):
    """SIGKILL at seeded times: what is there is whole, and a rerun equals an undisturbed run."""
    plant, config, seconds = hourly
    times = random.Random(SEED)  # noqa: S311 - not a secret
    cut_short = 0
    for number in range(KILLS):
        name = f"killed-{number}"
        harm.kill_after(harm.start(harm.score, config, name), times.uniform(0, seconds))
        output = plant.folder / name
        for path in output.glob("[!.]*/**/*.parquet"):
            pq.read_table(path)
        cut_short += harm.pure(output) != harm.pure(plant.output)
        plant.score(partition="hour", output=name)
        assert harm.pure(output) == harm.pure(plant.output)
        assert not (output / ".aside").exists()
    assert cut_short, "at least one of the times must lie within the run"


def test_run_killed_while_it_scores_again_is_completed(hourly):
    """Old and new files are complete, whichever were replaced."""
    plant, config, seconds = hourly
    shutil.copytree(plant.output, plant.folder / "corrected")
    copied = Path(shutil.copytree(plant.incoming, plant.folder / "kept"))
    try:
        (plant.incoming / "2026-01-03.parquet").unlink()
        harm.kill_after(harm.start(harm.score, config, "corrected"), seconds / 3)
        plant.score(partition="hour", output="corrected")
        plant.score(partition="hour", output="afresh")
        assert harm.pure(plant.folder / "corrected") == harm.pure(plant.folder / "afresh")
    finally:
        shutil.copy(copied / "2026-01-03.parquet", plant.incoming)


@pytest.mark.parametrize("second", [harm.score, harm.score_all], ids=["new", "all"])
def test_two_runs_at_once_do_no_harm(hourly, second):
    """Processes that score into one folder at the same time both succeed, with the same files."""
    plant, config, _ = hourly
    name = f"shared-{second.__name__}"
    both = [harm.start(work, config, name) for work in (harm.score, second)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert harm.pure(plant.folder / name) == harm.pure(plant.output)
    assert not (plant.folder / name / ".aside").exists()


def test_killed_command_is_completed_by_the_next(hourly):
    """`aedetect score` itself, killed among its partitions."""
    plant, config, _ = hourly
    command = [sys.executable, "-m", "aedetect", "score", str(config)]
    wanted = random.Random(SEED).randint(2, 40)  # noqa: S311 - not a secret
    scores = plant.folder / "command" / "scores"
    with subprocess.Popen(
        [*command, "--set", "scoring.output=command"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and len(list(scores.rglob("*.parquet"))) < wanted:
            time.sleep(0.001)
        process.kill()
    assert len(list(scores.rglob("*.parquet"))) >= wanted
    output = plant.folder / "command"
    assert harm.pure(output) != harm.pure(plant.output)
    plant.score(partition="hour", output="command")
    assert harm.pure(output) == harm.pure(plant.output)
    assert not (output / ".aside").exists()


def test_run_killed_while_it_forms_events_is_completed(hourly):
    """With every partition scored, and some event files written."""
    plant, config, _ = hourly
    process = harm.start(harm.score_until_events, config, "forming", KILLS)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    written = len(list((plant.folder / "forming" / "events").rglob("*.parquet")))
    assert KILLS == written < len(list((plant.output / "events").rglob("*.parquet")))
    summary = plant.score(partition="hour", output="forming")
    assert (summary.partitions, harm.pure(plant.folder / "forming")) == (0, harm.pure(plant.output))


def test_killed_training_leaves_no_broken_champion(trained, arrived, tmp_path):
    """After SIGKILL a detector is complete or absent, and the next training works."""
    shutil.copy(trained.folder / "train.parquet", tmp_path)
    shutil.copytree(arrived, tmp_path / "incoming")
    path = write_config(tmp_path / "plant.toml", settings(training={"epochs": 1}))
    config = read_config(path)
    begin = time.monotonic()
    harm.start(harm.train, path).join()
    seconds = time.monotonic() - begin
    shutil.rmtree(tmp_path / "mlruns")
    times = random.Random(SEED)  # noqa: S311 - not a secret
    for _ in range(2):
        harm.kill_after(harm.start(harm.train, path), times.uniform(seconds / 2, seconds))
        try:
            registry.fetch_version(
                registry.find_version("plant", tracking_uri=config.tracking_uri),
                tracking_uri=config.tracking_uri,
            )
        except UnknownModel:
            continue
        scoring.run_scoring(config, force=True)
    process = harm.start(harm.train, path)
    process.join()
    assert process.exitcode == 0
    newest = registry.list_versions(tracking_uri=config.tracking_uri, name="plant")[0]
    assert "challenger" in newest.aliases
    assert scoring.run_scoring(config, force=True).rows
