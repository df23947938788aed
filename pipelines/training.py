"""The training flow."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import flow

from aedetect.config import read_config
from aedetect.registry import Registered
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.secret_blocks import secrets


@flow(name="training", persist_result=False)
@guarded
def training(config_path: str, overrides: list[str] | None = None) -> Registered:
    """Learn normal, choose the threshold that keeps the promise, register both as one."""
    config = read_config(Path(config_path), overrides or (), secrets=secrets())
    with tempfile.TemporaryDirectory(prefix="aedetect-") as folder:
        scratch = Path(folder)
        ingested = tasks.ingest(config, scratch)
        prepared = tasks.prepare(config, ingested, scratch)
        trained = tasks.train(config, ingested, prepared)
        detector = tasks.calibrate(config, ingested, prepared, trained)
        return tasks.register(config, ingested, trained, detector)
