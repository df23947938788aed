"""The training flow."""

from __future__ import annotations

from prefect import flow, get_run_logger

from aedetect.jobs.training import retrain_if_due, run_training
from aedetect.jobs.training_many import OneOfMany, raise_failed, train_many
from aedetect.registry import Registered, find_version
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.handoff import prepare_run


@flow(name="training", persist_result=False)
@guarded
def training(
    config_path: str,
    overrides: list[str] | None = None,
    if_due: bool = False,  # noqa: FBT001, FBT002 - flow parameters are always given by name
) -> Registered | tuple[OneOfMany, ...]:
    """Train on normal data, choose the threshold that keeps the promise, register both.

    With `if_due` only if age or drift still asks for it; otherwise the champion is returned. With
    `[detector] by` the detectors of all values; it fails at its end when one did.
    """
    config = prepare_run(config_path, overrides).config
    if config.detector.by is not None:
        return raise_failed(train_many([config], if_due=if_due))
    if not if_due:
        return run_training(config, stages=tasks.TRAINING)[1]
    trained = retrain_if_due(config, stages=tasks.TRAINING)
    if trained is None:
        get_run_logger().info("a new training is not due any more")
        return find_version(config.name, tracking_uri=config.tracking_uri)
    return trained[1]


@flow(name="training many", persist_result=False)
@guarded
def training_many(
    config_paths: list[str], overrides: list[str] | None = None
) -> tuple[OneOfMany, ...]:
    """Train the detectors of several configurations in parallel; one that fails fails alone."""
    return train_many([prepare_run(path, overrides).config for path in config_paths])
