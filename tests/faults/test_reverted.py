"""A run is killed after any of its renames, and its cause goes away: it leaves no trace.

All files of a partition agree after the next run, whatever was in its place when the run ended.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import DAYS, Plant, faulty_table, pure, settings, table, write

from aedetect.config import make_config
from aedetect.jobs import reflagging, training
from aedetect.jobs.recalibration import recalibrate
from aedetect.output.atomic import read_origin

LOWER = {"threshold": "quantile", "quantile": 0.98}
KINDS = {"scores", "flagged", "drift", "events", "withdrawn"}


class Killed(BaseException):
    """The end of a process."""


@dataclass
class Changes:
    """Count renames and removals in an output; end the run after a number of them."""

    output: Path
    left: int

    def begin(self, monkeypatch):
        """Watch renames and removals."""
        for name in ("replace", "unlink"):
            monkeypatch.setattr(Path, name, self._counted(getattr(Path, name)))

    def _counted(self, change):
        def counted(path, *args, **options):
            done = change(path, *args, **options)
            target = Path(args[0]) if args else path
            if target.is_relative_to(self.output):
                if target.relative_to(self.output).parts[0] in KINDS:
                    self.left -= 1
                if self.left == 0:
                    raise Killed
            return done

        return counted


def crossing(day, *, start):
    """Make a day with a fault that begins at a row of its first unit, and lasts to its end."""
    rows = table(day)
    east = rows.index[rows["unit"] == "east"]
    rows.loc[east[start:], "cpu"] = 500.0
    return rows


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Two scored days with an event over midnight, and a second calibration."""
    folder = tmp_path_factory.mktemp("reverted")
    write(table("2026-01-01", days=2), folder / "train.parquet")
    write(crossing(DAYS[0], start=1400), folder / "incoming" / "0.parquet")
    rows = faulty_table(DAYS[1])
    rows.loc[rows.index[:5], "cpu"] = 500.0
    write(rows, folder / "incoming" / "1.parquet")
    config = make_config(settings(), folder=folder)
    training.run_training(config)
    plant = Plant(folder=folder, uri=config.tracking_uri)
    plant.score()
    return plant


@pytest.fixture
def plant(base, tmp_path):
    """A copy that a test may change."""
    for name in ("incoming", "output"):
        shutil.copytree(base.folder / name, tmp_path / name)
    return Plant(folder=tmp_path, uri=base.uri)


def corrected(plant):
    """The first day has no fault."""
    write(table(DAYS[0]), plant.incoming / "0.parquet")
    plant.score()


def shifted(plant):
    """The fault of the first day begins later, as an event with another id."""
    write(crossing(DAYS[0], start=1410), plant.incoming / "0.parquet")
    plant.score()


def deleted(plant):
    """The first day is gone."""
    (plant.incoming / "0.parquet").unlink()
    plant.score()


def emptied(plant):
    """The first day has only its last rows, the second none but one of another unit."""
    rows = table(DAYS[0])
    write(rows[rows["unit"] == "west"], plant.incoming / "0.parquet")
    (plant.incoming / "1.parquet").unlink()
    write(pd.DataFrame(table(DAYS[1]).iloc[:1]), plant.incoming / "2.parquet")
    plant.score()


def added(plant):
    """A third day arrives, and late rows of the first one."""
    write(table(DAYS[2]), plant.incoming / "2.parquet")
    write(crossing(DAYS[0], start=1430).assign(unit="north"), plant.incoming / "late.parquet")
    plant.score()


def other_rules(plant):
    """Event settings change."""
    plant.score(events={"min_duration": "20min", "cool_down": "1h"})


CAUSES = [corrected, shifted, deleted, emptied, added, other_rules]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_what_was_reverted_leaves_no_trace(base, tmp_path, cause, monkeypatch):
    """Whichever rename or removal was the last before the kill."""
    clean, kills = pure(base.output), 0
    while True:
        folder = tmp_path / str(kills)
        for name in ("incoming", "output"):
            shutil.copytree(base.folder / name, folder / name)
        plant = Plant(folder=folder, uri=base.uri)
        try:
            with monkeypatch.context() as patched:
                Changes(plant.output, kills + 1).begin(patched)
                cause(plant)
        except Killed:
            kills += 1
        else:
            break
        shutil.rmtree(plant.incoming)
        shutil.copytree(base.folder / "incoming", plant.incoming)
        plant.score()
        after = pure(plant.output)
        differing = {name for name in clean.keys() | after if clean.get(name) != after.get(name)}
        assert differing == set(), f"after {kills} changes"
    assert kills >= 3


@pytest.fixture(scope="module")
def recalibrated(base, tmp_path_factory):
    """The same input and output, with a lower threshold that nothing is flagged by yet."""
    folder = tmp_path_factory.mktemp("recalibrated")
    write(table("2026-01-01", days=2), folder / "train.parquet")
    shutil.copytree(base.folder / "incoming", folder / "incoming")
    config = make_config(settings(), folder=folder)
    training.run_training(config)
    plant = Plant(folder=folder, uri=config.tracking_uri)
    plant.score()
    recalibrate(make_config(settings(calibration=LOWER), folder=folder))
    plant.score(output="rescored")
    return plant


def reflag(plant):
    """Apply the lower threshold to existing scores."""
    return reflagging.run_reflagging(plant.config())


def partitions(output):
    """Return the files of each partition, by the folder of both."""
    found = {}
    for name, content in pure(output).items():
        kind, folder, _ = name.split("/")
        found.setdefault(folder, {})[kind] = content
    return found


def test_a_killed_reflag_is_completed_by_either_run(recalibrated, tmp_path, monkeypatch):
    """By another one to the same bytes; by a scoring run so that files agree, with their causes."""
    whole, kills = tmp_path / "whole", 0
    shutil.copytree(recalibrated.folder / "output", whole / "output")
    reflag(Plant(folder=whole, uri=recalibrated.uri))
    clean, before, rescored = (
        partitions(folder)
        for folder in (
            whole / "output",
            recalibrated.folder / "output",
            recalibrated.folder / "rescored",
        )
    )
    assert clean != before
    while True:
        folder = tmp_path / str(kills)
        for name in ("incoming", "output"):
            shutil.copytree(recalibrated.folder / name, folder / name)
        plant = Plant(folder=folder, uri=recalibrated.uri)
        try:
            with monkeypatch.context() as patched:
                Changes(plant.output, kills + 1).begin(patched)
                reflag(plant)
        except Killed:
            kills += 1
        else:
            break
        shutil.copytree(plant.output, folder / "again")
        reflagging.run_reflagging(plant.config(output="again"))
        assert partitions(folder / "again") == clean
        plant.score()
        for at, files in partitions(plant.output).items():
            possible = [each[at] for each in (before, clean, rescored)]
            assert files["scores"] in [each["scores"] for each in possible]
            kinds = [kind for kind in files if kind != "drift"]  # holds no verdicts
            found = [plant.output / kind / at / "part-0.parquet" for kind in kinds]
            assert len({repr(read_origin(path)) for path in found}) == 1
            assert flags(plant.output, at) == anomalies(plant.output, at)
    assert kills >= 6


def flags(output, folder):
    """How many rows are flagged in a partition."""
    return pq.read_metadata(output / "flagged" / folder / "part-0.parquet").num_rows


def anomalies(output, folder):
    """How many rows of a partition are anomalies."""
    rows = pq.ParquetFile(output / "scores" / folder / "part-0.parquet").read(columns=["verdict"])
    return rows["verdict"].to_pylist().count("anomaly")
