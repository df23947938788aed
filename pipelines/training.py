"""The training flow."""

from __future__ import annotations

from prefect import flow

from aedetect.jobs.training import run_training
from aedetect.registry import Registered
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.handoff import prepare_run


@flow(name="training", persist_result=False)
@guarded
def training(config_path: str, overrides: list[str] | None = None) -> Registered:
    """Train on normal data, choose the threshold that keeps the promise, register both."""
    config = prepare_run(config_path, overrides).config
    _, registered = run_training(config, stages=tasks.TRAINING)
    return registered
