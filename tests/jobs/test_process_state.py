"""Jobs that are called as a library restore the state of the process."""

from __future__ import annotations

import locale
import logging
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from plant import DAYS, settings, table, write

from aedetect.config import make_config
from aedetect.jobs.comparison import compare_variants
from aedetect.jobs.figures import draw_figures
from aedetect.jobs.rewriting import clean_table
from aedetect.jobs.scoring import resolve_model
from aedetect.jobs.similarity import find_similar
from aedetect.jobs.training import run_training
from aedetect.output.partitions import Span
from aedetect.scoring import cached_detector, score_frame

THREADS = 3  # neither PyTorch's choice here nor one


def levels() -> dict[str, tuple[int, bool, int, bool]]:
    """Return the settings of every logger."""
    loggers = {"": logging.getLogger(), **logging.Logger.manager.loggerDict}
    return {
        name: (each.level, each.propagate, len(each.handlers), each.disabled)
        for name, each in loggers.items()
        if isinstance(each, logging.Logger)
    }


def state() -> dict[str, object]:
    """Return the state of the process that a library must not change."""
    generator = np.random.get_state()  # noqa: NPY002 - the global one, as the caller has it
    return {
        "threads": torch.get_num_threads(),
        "environment": {name: os.environ[name] for name in sorted(os.environ)},
        "folder": Path.cwd(),
        "warnings": list(warnings.filters),
        "numpy": (generator[0], generator[1].tolist(), *generator[2:]),
        "torch": torch.get_rng_state().tolist(),
        "random": random.getstate(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "type": torch.get_default_dtype(),
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "locale": locale.setlocale(locale.LC_ALL),
        "hook": sys.excepthook,
        "temporary": sorted(Path(tempfile.gettempdir()).iterdir()),
    }


def train(plant):
    """Train again, into a registry of the test."""
    write(table("2026-01-01"), plant.folder / "train.parquet")
    run_training(make_config(settings(training={"epochs": 1}), folder=plant.folder))


def score(plant):
    """Score files."""
    plant.score()


def frame(plant):
    """Score a data frame."""
    model = resolve_model(plant.config())
    score_frame(
        cached_detector(model.folder), pd.read_parquet(plant.incoming / f"{DAYS[0]}.parquet")
    )


def clean(plant):
    """Write a cleaned table."""
    clean_table(plant.config(), to=plant.folder / "clean.parquet", columns=(), span=Span())


def similar(plant):
    """Find similar windows."""
    moment = pd.Timestamp(f"{DAYS[1]} 02:00").value
    find_similar(plant.config(), entity="east", time=moment, most=2)


def compare(plant):
    """Compare two variants, trained in parallel."""
    given = settings(training={"epochs": 1})
    config = make_config(given, folder=plant.folder)
    compare_variants(config, ("linear", "undercomplete"), clock=time.thread_time, jobs=2)


def figures(plant):
    """Draw the figures."""
    draw_figures(plant.config(), to=plant.folder / "figures")


@pytest.fixture
def own_temporary(tmp_path_factory, monkeypatch):
    """A folder for temporary files that no other process uses."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.mark.parametrize("job", [train, score, frame, clean, similar, compare, figures])
def test_process_is_as_before(plant, own_temporary, monkeypatch, job):
    """Threads, environment, folder, loggers, warnings and generators; no temporary file is left."""
    import mlflow.pyfunc  # noqa: F401
    import sklearn.metrics  # noqa: F401 - what imports change is not the doing of the jobs

    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", raising=False)
    own = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        before, logged = state(), levels()
        job(plant)
        after = state()
        assert {key: value for key, value in after.items() if before[key] != value} == {}, set(
            after["environment"].items()
        ) ^ set(before["environment"].items())
        assert {name: value for name, value in levels().items() if name in logged} == logged
    finally:
        torch.set_num_threads(own)


def test_library_writes_no_environment_below_the_command_line():
    """Neither variables nor folders that last until the interpreter exits."""
    root = Path(__file__).parents[2]
    files = [*(root / "aedetect").rglob("*.py"), *(root / "pipelines").rglob("*.py")]
    below = [path for path in files if "cli" not in path.relative_to(root).parts]
    writes = ("os.environ[", "os.environ.setdefault", "os.environ.update", "os.putenv", "os.chdir")
    found = {
        path.name: [word for word in writes if word in path.read_text(encoding="utf-8")]
        for path in below
    }
    assert {name: words for name, words in found.items() if words} == {}
