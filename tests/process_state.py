"""Jobs that are called as a library do not change the state of the process.

Run in a process of its own, `python process_state.py FOLDER URI`: threads of Prefect's client that
live on after other tests draw from the global generators, too. Writes a JSON object, what each
job changed.
"""

from __future__ import annotations

import importlib
import json
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
import torch
from plant import DAYS, Plant, settings, table, write

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
    """Write a table without noise."""
    clean_table(plant.config(), to=plant.folder / "clean.parquet", columns=(), span=Span())


def similar(plant):
    """Look for windows that are alike."""
    moment = pd.Timestamp(f"{DAYS[1]} 02:00").value
    find_similar(plant.config(), entity="east", time=moment, limit=2)


def compare(plant):
    """Compare two variants, trained beside each other."""
    given = settings(training={"epochs": 1})
    config = make_config(given, folder=plant.folder)
    compare_variants(config, ("linear", "undercomplete"), clock=time.thread_time, jobs=2)


def figures(plant):
    """Draw pictures."""
    draw_figures(plant.config(), to=plant.folder / "figures")


JOBS = (train, score, frame, clean, similar, compare, figures)


def changed_by(job, plant: Plant) -> list[str]:
    """Return the changes by a job, by name, with loggers as "logger NAME"."""
    before, logged = state(), levels()
    job(plant)
    after = state()
    now = levels()
    changed = [name for name, value in after.items() if before[name] != value]
    return changed + [f"logger {name}" for name in logged if now[name] != logged[name]]


def main() -> None:
    """Run every job in the folder of a plant."""
    # Changes by these imports do not count.
    for module in (
        "alembic.config",
        "matplotlib.pyplot",
        "mlflow.pyfunc",
        "sklearn.metrics",
        "sympy",
    ):
        importlib.import_module(module)
    torch.set_num_threads(THREADS)
    plant = Plant(folder=Path(sys.argv[1]), uri=sys.argv[2])
    changed = {job.__name__: changed_by(job, plant) for job in JOBS}
    sys.stdout.write(json.dumps(changed) + "\n")


if __name__ == "__main__":
    main()
