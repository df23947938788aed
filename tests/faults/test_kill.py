"""A run that is killed at any moment leaves whole files, and the next run completes the work."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from plant import Plant, contents, pure

SEED = 20260103
KILLS = 5
# Says when it is ready, so that moments count from where the work begins.
RUN = """
import sys
from pathlib import Path
from aedetect import registry, scoring
from aedetect.config import read_config
import aedetect.compute, torch, mlflow
config = read_config(Path(sys.argv[1]), [f"scoring.output={sys.argv[2]}"])
print("ready", flush=True)
sys.stdin.readline()
scoring.run(config)
"""


def start(config, output):
    """Start a process that loads everything and waits for a line before it scores."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(config), output],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def release(process):
    """Let it score."""
    process.stdin.write("\n")
    process.stdin.flush()


def kill_after(process, seconds):
    """Kill a process, unless it ends before."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def hourly(tmp_path_factory, trained, arrived):
    """Score three days by the hour, undisturbed, and measure how long it takes."""
    folder = tmp_path_factory.mktemp("hourly")
    shutil.copytree(arrived, folder / "incoming")
    plant = Plant(folder=folder, uri=trained.uri)
    config = plant.written(partition="hour")
    process = start(config, "output")
    begin = time.monotonic()
    release(process)
    assert process.wait() == 0
    process.communicate()
    return plant, config, time.monotonic() - begin


def test_killed_run_is_completed_by_the_next(hourly):
    """SIGKILL at seeded moments: what is there is whole, and a rerun equals an undisturbed run."""
    plant, config, seconds = hourly
    moments = random.Random(SEED)  # noqa: S311 - not a secret
    cut_short = 0
    for number in range(KILLS):
        name = f"killed-{number}"
        process = start(config, name)
        release(process)
        kill_after(process, moments.uniform(0, seconds))
        output = plant.folder / name
        for path in output.glob("[!.]*/**/*.parquet"):
            pq.read_table(path)
        cut_short += contents(output) != contents(plant.output)
        plant.score(partition="hour", output=name)
        assert pure(output) == pure(plant.output)
        assert not (output / ".aside").exists()
    assert cut_short, "at least one of the moments must lie within the run"


def test_run_killed_while_it_scores_anew_is_completed(hourly):
    """Old and new files are both whole, whichever were replaced."""
    plant, config, seconds = hourly
    shutil.copytree(plant.output, plant.folder / "corrected")
    copied = Path(shutil.copytree(plant.incoming, plant.folder / "kept"))
    try:
        (plant.incoming / "2026-01-03.parquet").unlink()
        process = start(config, "corrected")
        release(process)
        kill_after(process, seconds / 3)
        plant.score(partition="hour", output="corrected")
        plant.score(partition="hour", output="afresh")
        assert pure(plant.folder / "corrected") == pure(plant.folder / "afresh")
    finally:
        shutil.copy(copied / "2026-01-03.parquet", plant.incoming)


def test_two_runs_at_once_do_no_harm(hourly):
    """Two processes that score the same into one folder both succeed, with the same files."""
    plant, config, _ = hourly
    both = [start(config, "shared") for _ in range(2)]
    for process in both:
        release(process)
    assert [process.wait() for process in both] == [0, 0]
    for process in both:
        process.communicate()
    assert pure(plant.folder / "shared") == pure(plant.output)


def test_killed_command_is_completed_by_the_next(hourly):
    """`aedetect score` itself, killed among its partitions."""
    plant, config, _ = hourly
    command = [sys.executable, "-m", "aedetect", "score", str(config)]
    process = subprocess.Popen(
        [*command, "--set", "scoring.output=command"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    wanted = random.Random(SEED).randint(2, 40)  # noqa: S311 - not a secret
    seen = 0
    for line in process.stderr:
        seen += bool(re.match("partition ", line))
        if seen == wanted:
            break
    process.kill()
    process.communicate()
    assert seen == wanted
    output = plant.folder / "command"
    assert contents(output) != contents(plant.output)
    plant.score(partition="hour", output="command")
    assert pure(output) == pure(plant.output)
    assert not (output / ".aside").exists()


def test_run_killed_while_it_forms_events_is_completed(hourly):
    """With every partition scored, and some of the files of events in place."""
    plant, config, _ = hourly
    process = start(config, "forming")
    release(process)
    events = plant.folder / "forming" / "events"
    while process.poll() is None and len(list(events.rglob("*.parquet"))) < KILLS:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    written = len(list(events.rglob("*.parquet")))
    assert KILLS <= written < len(list((plant.output / "events").rglob("*.parquet")))
    summary = plant.score(partition="hour", output="forming")
    assert (summary.partitions, pure(plant.folder / "forming")) == (0, pure(plant.output))
