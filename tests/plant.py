"""A small plant: two units, three sensors, one row per minute, and a trained detector.

A pytest plugin: trained and registered once, new input folders for each test.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aedetect import registry
from aedetect.config import Config, make_config
from aedetect.jobs import scoring, training
from aedetect.output.partitions import Span
from aedetect.scoring import Summary
from aedetect.scoring.run_log import Clock

DAYS = ("2026-01-03", "2026-01-04", "2026-01-05")  # of the input, one file each
ROWS = 2 * 1440  # per day
FAULTY_ROWS = ROWS - 60 + 1 + 10  # of the faulty day: a gap, a repeat, an unseen unit
ARRIVED = 2 * ROWS + FAULTY_ROWS
LENGTH = 4  # rows per window


def table(day: str, *, days: int = 1) -> pd.DataFrame:
    """Make the rows of some days, the same on every call; east before west."""
    random = np.random.default_rng(date.fromisoformat(day).toordinal())
    time = pd.date_range(day, periods=1440 * days, freq="min").astype("datetime64[us]")
    parts = []
    for unit in ("east", "west"):
        cpu = 50 + 20 * np.sin(np.arange(len(time)) * 2 * np.pi / 1440)
        parts.append(
            pd.DataFrame(
                {
                    "time": time,
                    "unit": unit,
                    "cpu": cpu + random.normal(0, 2, len(time)),
                    "load": cpu / 25 + random.normal(0, 0.1, len(time)),
                    "disk": random.normal(5, 1, len(time)),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def faulty_table(day: str) -> pd.DataFrame:
    """Make a day with faults, gaps, repeats, and an unknown unit."""
    rows = table(day)
    rows.loc[300:310, "cpu"] = 500.0
    rows.loc[600:620, "load"] = np.nan
    rows.loc[640, ["cpu", "load", "disk"]] = np.nan
    rows.loc[700, "disk"] = np.inf
    again = rows.iloc[[800]].assign(cpu=1.0)
    unseen = rows.iloc[900:910].assign(unit="north")
    return pd.concat([rows.drop(index=range(1000, 1060)), again, unseen], ignore_index=True)


def write(rows: pd.DataFrame, path: Path) -> Path:
    """Write a table to a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(path, index=False)
    return path


def merged(
    default: dict[str, dict[str, object]], changed: dict[str, dict[str, object]]
) -> dict[str, dict[str, object]]:
    """Return sections with changed keys, and further sections."""
    return {name: default.get(name, {}) | changed.get(name, {}) for name in {**default, **changed}}


def settings(**sections: dict[str, object]) -> dict[str, dict[str, object]]:
    """Return a complete configuration, with changed keys."""
    default: dict[str, dict[str, object]] = {
        "detector": {"name": "plant"},
        "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
        "window": {"length": LENGTH},
        "model": {"variant": "undercomplete"},
        # All tests share a registry: no scheduled run adds calibrations to it.
        "calibration": {"shapes": 0.0, "renew": "never"},
        "training": {"epochs": 2},
        "scoring": {"input": "incoming"},
    }
    return merged(default, sections)


def settings_of_each(column: str, **sections: dict[str, object]) -> dict[str, dict[str, object]]:
    """Return the configuration of a detector for each value of a column, with changed keys."""
    default: dict[str, dict[str, object]] = {
        "detector": {"name": "plant", "by": column},
        "data": {"train": "in", "timestamp": "time"},
        "window": {"length": 4},
        "model": {"variant": "linear"},
        "calibration": {"false_alarm_rate": 0.02, "shapes": 0.0},
        "scoring": {},
    }
    return merged(default, sections)


def write_config(path: Path, given: dict[str, dict[str, object]]) -> Path:
    """Write a configuration as TOML; strings, numbers and lists of JSON are valid TOML."""
    lines = []
    for section, keys in given.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(keys[key])}" for key in keys)]
    path.write_text("\n".join(lines) + "\n")
    return path


@dataclass(frozen=True)
class Trained:
    """The registry with plant/1, the champion, and plant/2, with other settings."""

    folder: Path
    uri: str


@dataclass(frozen=True)
class Plant:
    """A folder with input that a test may change, and its own output."""

    folder: Path
    uri: str

    @property
    def incoming(self) -> Path:
        """The input folder."""
        return self.folder / "incoming"

    @property
    def output(self) -> Path:
        """The default output folder."""
        return self.folder / "output"

    def given(
        self, *, events: dict[str, object] | None = None, **scoring: object
    ) -> dict[str, dict[str, object]]:
        """Return the configuration as plain data."""
        return settings(
            events=events or {},
            scoring={"input": "incoming", **scoring},
            registry={"tracking_uri": self.uri},
        )

    def config(self, *, events: dict[str, object] | None = None, **scoring: object) -> Config:
        """Return the configuration."""
        return make_config(self.given(events=events, **scoring), folder=self.folder)

    def written(self, *, events: dict[str, object] | None = None, **scoring: object) -> Path:
        """Return the configuration as a file."""
        return write_config(self.folder / "plant.toml", self.given(events=events, **scoring))

    def score(
        self,
        *,
        span: Span | None = None,
        rescore: bool = False,
        force: bool = False,
        clock: Clock | None = None,
        events: dict[str, object] | None = None,
        **scoring_keys: object,
    ) -> Summary:
        """Score in this process."""
        config = self.config(events=events, **scoring_keys)
        return scoring.run_scoring(config, span=span, rescore=rescore, force=force, clock=clock)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train two versions of one detector, once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    write(table("2026-01-01", days=2), folder / "train.parquet")
    config = make_config(settings(), folder=folder)
    training.run_training(config)
    training.run_training(make_config(settings(training={"epochs": 1, "seed": 7}), folder=folder))
    assert registry.find_version("plant", tracking_uri=config.tracking_uri).version == 1
    return Trained(folder=folder, uri=config.tracking_uri)


@pytest.fixture(scope="session")
def arrived(tmp_path_factory):
    """Make the files of three days, once for all tests; the second day is faulty."""
    folder = tmp_path_factory.mktemp("arrived")
    for day in DAYS:
        rows = faulty_table(day) if day == DAYS[1] else table(day)
        write(rows, folder / f"{day}.parquet")
    return folder


@pytest.fixture
def plant(tmp_path, trained, arrived):
    """Return a plant in which three days have arrived and nothing is scored."""
    shutil.copytree(arrived, tmp_path / "incoming")
    shutil.copy(trained.folder / "train.parquet", tmp_path)
    return Plant(folder=tmp_path, uri=trained.uri)


RECORDS = {"runs", ".cache"}  # of the output: records of runs, not results


def made(folder: Path) -> list[Path]:
    """Return every file below a folder except the records of runs, in order."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.relative_to(folder).parts[0] not in RECORDS]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every result file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in made(folder)}


def pure(output: Path) -> dict[str, bytes]:
    """Return the files of an output that depend only on input and model."""
    return {
        name: data for name, data in contents(output).items() if not name.startswith("withdrawn/")
    }


def stamps(folder: Path) -> dict[str, int]:
    """Return the modification time of every result file below a folder, in ns."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in made(folder)}


def rewritten(folder: Path, before: dict[str, int]) -> set[str]:
    """Return the partitions whose scores were written or removed since."""
    after = stamps(folder)
    changed = {name for name in before.keys() | after if before.get(name) != after.get(name)}
    return {str(Path(name).parent.relative_to("scores")) for name in changed if "scores" in name}


def verdicts(output: Path) -> pd.DataFrame:
    """Return all scores in a fixed order."""
    files = sorted((output / "scores").rglob("*.parquet"))
    frames = [pq.ParquetFile(path).read().to_pandas() for path in files]
    joined = pd.concat(frames, ignore_index=True)
    keys = ["entity", "timestamp", "reason", "score"]
    return joined.sort_values(keys, ignore_index=True)


@pytest.fixture(scope="session")
def prefect():
    """Start one Prefect server for all tests that run flows."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield
