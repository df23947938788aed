"""Shared fixtures: synthetic sensors, and detectors trained on them."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from aedetect.config import Config, make_config
from aedetect.data import Query, find_files, open_engine, read_rows
from aedetect.jobs import dataset, fit_scorer, training
from aedetect.output.schemas import time_type
from aedetect.preprocessing.windows import with_context
from aedetect.registry import session
from aedetect.scoring import score_rows
from aedetect.scoring.tables import scores_batch
from aedetect.training import Ingested, PreparedRows

if TYPE_CHECKING:
    from aedetect.detector import CalibratedScorer

pytest_plugins = ["command_line", "plant", "postgres", "receiver", "runs", "storage"]

settings.register_profile("repeatable", deadline=None, database=None, derandomize=True)
settings.load_profile("repeatable")

TINY = {
    "detector": {"name": "pump"},
    "data": {"train": "train.parquet", "timestamp": "time", "entity": "unit"},
    "window": {"length": 4},
    "model": {"variant": "undercomplete"},  # one network, whatever a choice would take
    "training": {"epochs": 3, "batch_size": 64, "device": "cpu"},
    "calibration": {"false_alarm_rate": 0.02, "shapes": 0.0},
}


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The results of the stages of a training run, without registering."""

    config: Config
    ingested: Ingested
    prepared: PreparedRows
    trained: fit_scorer.Trained
    detector: CalibratedScorer


def sensors(
    *,
    units: tuple[str, ...] = ("east", "west"),
    rows: int = 500,
    features: tuple[str, ...] = ("a", "b"),
    start: str = "2026-01-01",
    seed: int = 0,
) -> pd.DataFrame:
    """Units whose features follow one load, one row per minute, ordered by unit and time."""
    random = np.random.default_rng(seed)
    tables = []
    for _ in units:
        load = np.sin(np.arange(rows) * 2 * np.pi / 60 + random.uniform(0, 6))
        table = pd.DataFrame({"time": pd.date_range(start, periods=rows, freq="min")})
        for number, name in enumerate(features):
            noise = random.normal(scale=0.1, size=rows)
            table[name] = 10 * number + (number + 1) * (load + noise)
        tables.append(table)
    frame = pd.concat(tables, ignore_index=True)
    frame.insert(1, "unit", np.repeat(np.array(units, dtype=object), rows))
    return frame


def configure(folder, **sections: dict[str, Any]) -> Config:
    """A configuration of a tiny training run, with changed keys."""
    names = {**TINY, **sections}
    return make_config(
        {name: {**TINY.get(name, {}), **sections.get(name, {})} for name in names}, folder=folder
    )


def learn_from(folder, **sections: dict[str, Any]) -> Learnt:
    """Run the stages of training with `train.parquet` of a folder."""
    config = configure(folder, **sections)
    # A separate folder: the rows stay mapped, and another run must not overwrite them.
    scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
    ingested = dataset.ingest_rows(config, scratch)
    prepared = dataset.prepare_rows(config, ingested, scratch)
    trained = fit_scorer.train_scorer(config, ingested, prepared)
    detector = training.calibrate_detector(config, ingested, prepared, trained)
    return Learnt(
        config=config, ingested=ingested, prepared=prepared, trained=trained, detector=detector
    )


def write_table(frame: pd.DataFrame, path, **options: Any):
    """Write a table as Parquet, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    zones = {name: getattr(frame[name].dtype, "tz", None) for name in frame}
    for name, zone in zones.items():
        if zone is not None:  # pandas 3.1 warns about the conversion in pyarrow
            frame = frame.astype({name: pd.ArrowDtype(pa.timestamp("us", tz=str(zone)))})
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, **options)
    return path


@pytest.fixture(scope="session", autouse=True)
def empty_registry(tmp_path_factory):
    """Make the tables of a registry once, and copy the file for others: MLflow takes a second."""
    made, create = tmp_path_factory.mktemp("empty") / "mlflow.db", session._create  # noqa: SLF001

    def copied(tracking_uri):
        file = session.sqlite_file(tracking_uri)
        if made.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, file)
        else:
            create(tracking_uri)
            shutil.copyfile(file, made)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "_create", copied)
        yield


@pytest.fixture(scope="session")
def make_frame():
    """Make tables of synthetic sensors: `time`, `unit` and the features."""
    return sensors


@pytest.fixture(scope="session")
def write():
    """Write a table as Parquet."""
    return write_table


@pytest.fixture(scope="session")
def learn():
    """Run the stages of training in a folder that contains `train.parquet`."""
    return learn_from


@pytest.fixture(scope="session")
def configured():
    """Make the configuration of a tiny training run in a folder."""
    return configure


@pytest.fixture
def train_on(tmp_path):
    """Train on a table: the stages up to calibration, with changed settings."""

    def train_on(frame: pd.DataFrame, **sections: dict[str, Any]) -> Learnt:
        write_table(frame, tmp_path / "train.parquet")
        return learn_from(tmp_path, **sections)

    return train_on


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory):
    """A folder with the training data of two units."""
    folder = tmp_path_factory.mktemp("training")
    write_table(sensors(), folder / "train.parquet")
    return folder


@pytest.fixture(scope="session")
def learnt(training_folder):
    """A tiny training run, stage by stage."""
    return learn_from(training_folder)


@pytest.fixture(scope="session")
def detector(learnt):
    """A tiny trained detector."""
    return learnt.detector


@pytest.fixture(scope="session")
def detector_folder(detector, tmp_path_factory):
    """A saved detector whose columns are time, unit, a and b."""
    folder = tmp_path_factory.mktemp("detector") / "saved"
    detector.save(folder)
    return folder


@pytest.fixture(scope="session")
def score_files():
    """Score the files of a folder with a detector: a pandas table ordered by unit and time."""

    def score_files(detector: CalibratedScorer, folder) -> pd.DataFrame:
        schema = detector.scorer.schema
        files = find_files([str(folder)], timestamp=schema.timestamp).files
        query = Query.of(schema, files)
        scored = []
        with open_engine(memory_mb=200, scratch=folder) as connection:
            batches = read_rows(connection, query)
            for rows, before in with_context(batches, lookback=detector.scorer.lookback):
                wanted = np.arange(len(rows)) >= before
                verdicts = score_rows(detector, rows, wanted)
                scored.append(scores_batch(rows.take(wanted), verdicts, time_type(files)))
        return pa.Table.from_batches(scored).to_pandas()

    return score_files
