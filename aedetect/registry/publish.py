"""Register trained detectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.registry.artifact_places import artifact_root, check_active, settle_experiment
from aedetect.registry.history import Decision, record_promotion
from aedetect.registry.pyfunc import pyfunc
from aedetect.registry.records import (
    CHALLENGER,
    CHAMPION,
    Parameters,
    Registered,
    TrainingRecord,
    as_registered,
)
from aedetect.registry.session import is_absent, open_client, tolerating_existing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, LoggedModel, Metric, Run

_MAX_PARAMETERS, _MAX_METRICS = 100, 1000  # MLflow's limits per request
_DIGEST_LENGTH = 36  # characters, MLflow's limit
_TYPES = {"timestamp": "datetime", "text": "string", "number": "double", "boolean": "boolean"}


def register_version(folder: Path, *, record: TrainingRecord, tracking_uri: str) -> Registered:
    """Log a training run and register its detector; the first version becomes champion."""
    with open_client(tracking_uri, create=True) as client:
        run = _start_run(client, record=record, tracking_uri=tracking_uri)
        try:
            model = _upload_model(client, folder=folder, record=record, run=run)
            _log(client, record=record, run=run, model=model)
            version = _next_version(client, record=record, model=model)
        except BaseException:
            client.set_terminated(run.info.run_id, "FAILED")
            raise
        client.set_terminated(run.info.run_id, "FINISHED")
        return read_version(client, name=record.name, version=version)


def read_version(client: MlflowClient, *, name: str, version: str) -> Registered:
    """Return the current state of a version."""
    found = client.get_model_version(name, version)
    return as_registered(found, aliases=found.aliases)


def _start_run(client: MlflowClient, *, record: TrainingRecord, tracking_uri: str) -> Run:
    """Start a run in the experiment of the same name."""
    number = ensure_experiment(client, name=record.name, tracking_uri=tracking_uri)
    return client.create_run(number, run_name=record.variant, tags=record.all_tags)


def ensure_experiment(client: MlflowClient, *, name: str, tracking_uri: str) -> str:
    """Return the id of an experiment, created if absent; artifacts go beside a local database.

    Raises RegistryError when it was deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        found = settle_experiment(client, found, tracking_uri=tracking_uri)
    if found is None:
        root = artifact_root(name, tracking_uri=tracking_uri)
        with tolerating_existing():
            client.create_experiment(name, root.as_uri() if root else None)
        found = client.get_experiment_by_name(name)
    assert found is not None
    return str(found.experiment_id)


def check_experiment(*, name: str, tracking_uri: str) -> None:
    """Raise RegistryError when a training could not be registered: now, and not when it is done."""
    if not is_absent(tracking_uri):
        with open_client(tracking_uri) as client:
            found = client.get_experiment_by_name(name)
            if found is not None:
                check_active(found, tracking_uri=tracking_uri)


def _upload_model(
    client: MlflowClient, *, folder: Path, record: TrainingRecord, run: Run
) -> LoggedModel:
    """Upload the detector folder as the pyfunc model of the run."""
    number, run_id = run.info.experiment_id, run.info.run_id
    model = client.create_logged_model(number, record.name, run_id, tags=record.all_tags)
    with pyfunc(folder, columns=record.data_columns, model=model) as saved:
        client.log_model_artifacts(model.model_id, str(saved))
    return client.finalize_logged_model(model.model_id, "READY")


def _log(client: MlflowClient, *, record: TrainingRecord, run: Run, model: LoggedModel) -> None:
    """Log parameters, metrics and the data set in few requests."""
    from mlflow.entities import LoggedModelOutput

    run_id = run.info.run_id
    log_parameters(client, run_id, record.parameters)
    metrics = _metrics(record, now=run.info.start_time, model_id=model.model_id)
    log_metrics(client, run_id, metrics)
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    client.log_inputs(run_id, datasets=[_data_set(record)])
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=len(record.epochs))])


def log_parameters(client: MlflowClient, run_id: str, parameters: Parameters) -> None:
    """Log parameters in as few requests as MLflow allows."""
    from mlflow.entities import Param

    listed = [Param(key, str(value)) for key, value in parameters.items()]
    for start in range(0, len(listed), _MAX_PARAMETERS):
        client.log_batch(run_id, params=listed[start : start + _MAX_PARAMETERS])


def log_metrics(client: MlflowClient, run_id: str, metrics: list[Metric]) -> None:
    """Log metrics in as few requests as MLflow allows."""
    for start in range(0, len(metrics), _MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + _MAX_METRICS])


def _metrics(record: TrainingRecord, *, now: int, model_id: str) -> list[Metric]:
    """Return the metrics of all epochs, and those of the finished model as one more step."""
    from mlflow.entities import Metric

    epochs = [
        Metric(key, value, now, step)
        for step, epoch in enumerate(record.epochs)
        for key, value in epoch.items()
    ]
    last = len(record.epochs)
    return epochs + [Metric(k, v, now, last, model_id) for k, v in record.metrics.items()]


def _data_set(record: TrainingRecord) -> DatasetInput:
    """Describe the training data: location, fingerprint and columns."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [
        {"name": name, "type": _TYPES[kind], "required": True}
        for name, kind in record.data_columns.items()
    ]
    data = Dataset(
        name=record.name,
        digest=record.data_fingerprint[:_DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": record.data_source}),
        schema=json.dumps({"mlflow_colspec": columns}),
    )
    return DatasetInput(data, [InputTag("mlflow.data.context", "training")])


def _next_version(client: MlflowClient, *, record: TrainingRecord, model: LoggedModel) -> str:
    """Create the next version, the new challenger; also champion if there is none."""
    with tolerating_existing():
        client.create_registered_model(record.name)
    created = client.create_model_version(
        record.name,
        # Not "models:/ID", which MLflow 3.17 resolves through its process-wide tracking URI.
        source=model.artifact_location,
        run_id=model.source_run_id,
        tags=record.all_tags,
        model_id=model.model_id,
    )
    version = str(created.version)
    client.set_registered_model_alias(record.name, CHALLENGER, version)
    if CHAMPION not in client.get_registered_model(record.name).aliases:
        first = Decision(action="first", why="the first version")
        record_promotion(client, name=record.name, version=int(version), decision=first)
    return version
