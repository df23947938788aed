"""What is logged on a run: parameters, metrics by step, the data set, artifacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aedetect.registry.records import Parameters, RunRecord, TrainingRecord
from aedetect.registry.run_tables import log_tables

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, LoggedModel, Metric, Run

_MAX_PARAMETERS, _MAX_METRICS = 100, 1000  # MLflow's limits per request
_DIGEST_LENGTH = 36  # characters, MLflow's limit
_TYPES = {"timestamp": "datetime", "text": "string", "number": "double", "boolean": "boolean"}
_PLOTS = "plots"  # folder of the pictures among the artifacts


def log_training(
    client: MlflowClient, *, record: TrainingRecord, run: Run, model: LoggedModel
) -> None:
    """Log parameters, metrics, data set, tables and pictures of a training in few requests."""
    from mlflow.entities import LoggedModelOutput

    run_id = run.info.run_id
    log_parameters(client, run_id, record.parameters)
    data = _data_set(record)
    metrics = _metrics(record, now=run.info.start_time, model_id=model.model_id, data=data)
    log_metrics(client, run_id, metrics)
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    for path in record.pictures:
        client.log_artifact(run_id, str(path), _PLOTS)
    log_tables(client, run_id, record.tables)
    client.log_inputs(run_id, datasets=[_as_input(data)])
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=len(record.epochs))])


def log_record(client: MlflowClient, run_id: str, record: RunRecord, *, now: int) -> None:
    """Log parameters, metrics and tables of a run that registers no model."""
    from mlflow.entities import Metric

    epochs = [
        Metric(key, value, now, step)
        for step, epoch in enumerate(record.epochs)
        for key, value in epoch.items()
    ]
    last = [Metric(key, value, now, len(record.epochs)) for key, value in record.metrics.items()]
    log_parameters(client, run_id, record.parameters)
    log_metrics(client, run_id, epochs + last)
    log_tables(client, run_id, record.tables)


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


def _metrics(record: TrainingRecord, *, now: int, model_id: str, data: Dataset) -> list[Metric]:
    """Return the metrics of all epochs, and those of the finished model as one more step."""
    from mlflow.entities import Metric

    epochs = [
        Metric(key, value, now, step)
        for step, epoch in enumerate(record.epochs)
        for key, value in epoch.items()
    ]
    last = len(record.epochs)
    of = (data.name, data.digest)  # shown beside the metric on the page of the model
    return epochs + [Metric(k, v, now, last, model_id, *of) for k, v in record.metrics.items()]


def _data_set(record: TrainingRecord) -> Dataset:
    """Describe the training data: location, fingerprint, columns and profile; no row of it."""
    from mlflow.entities import Dataset

    columns = [
        {"name": name, "type": _TYPES[kind], "required": True}
        for name, kind in record.data_columns.items()
    ]
    return Dataset(
        name=record.name,
        digest=record.data_fingerprint[:_DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": record.data_source}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps(dict(record.data_profile)),
    )


def _as_input(data: Dataset) -> DatasetInput:
    from mlflow.entities import DatasetInput, InputTag

    return DatasetInput(data, [InputTag("mlflow.data.context", "training")])
