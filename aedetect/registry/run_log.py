"""What is logged on a run: parameters, metrics by step, the data set, artifacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aedetect.registry.records import Parameters, RunRecord, TrainingRecord
from aedetect.registry.run_tables import log_run_tables, log_tables

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, LoggedModel, Metric, Run

_MAX_PARAMETERS, _MAX_ENTRIES = 100, 1000  # MLflow's limits per request; of both together
_DIGEST_LENGTH = 36  # characters, MLflow's limit
_TYPES = {"timestamp": "datetime", "text": "string", "number": "double", "boolean": "boolean"}
_PLOTS = "plots"  # folder of the pictures among the artifacts


def log_training(
    client: MlflowClient, *, record: TrainingRecord, run: Run, model: LoggedModel
) -> None:
    """Log parameters, metrics, data set, tables and pictures of a training in few requests."""
    from mlflow.entities import LoggedModelOutput

    run_id = run.info.run_id
    data = _data_set(record)
    metrics = _metrics(record, now=run.info.start_time, model_id=model.model_id, data=data)
    log_numbers(client, run_id, record.parameters, metrics)
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    for path in record.pictures:
        client.log_artifact(run_id, str(path), _PLOTS)
    log_run_tables(client, run_id, record.tables)
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
    log_numbers(client, run_id, record.parameters, epochs + last)
    log_tables(client, run_id, record.tables)


def log_numbers(
    client: MlflowClient, run_id: str, parameters: Parameters, metrics: list[Metric]
) -> None:
    """Log parameters and metrics in as few requests as MLflow allows."""
    from mlflow.entities import Param

    listed = [Param(key, str(value)) for key, value in parameters.items()]
    while listed or metrics:
        some, listed = listed[:_MAX_PARAMETERS], listed[_MAX_PARAMETERS:]
        room = _MAX_ENTRIES - len(some)
        client.log_batch(run_id, metrics=metrics[:room], params=some)
        metrics = metrics[room:]


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
