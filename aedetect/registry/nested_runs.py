"""Several runs below one parent: what was tried together. No model comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aedetect.registry.publish import experiment, log_metrics, log_parameters
from aedetect.registry.records import RunRecord
from aedetect.registry.session import speaking

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PARENT = "mlflow.parentRunId"  # the tag by which MLflow nests runs


def log_nested(
    parent: RunRecord, children: Sequence[RunRecord], *, name: str, tracking_uri: str
) -> str:
    """Log a run and those below it in the experiment of a detector; return the parent's id."""
    with speaking(tracking_uri, create=True) as client:
        number = experiment(client, name=name, tracking_uri=tracking_uri)
        run_id = client.create_run(number, run_name=parent.name, tags=dict(parent.tags)).info.run_id
        try:
            for child in children:
                tags = {**child.tags, _PARENT: run_id}
                run = client.create_run(number, run_name=child.name, tags=tags)
                _log(client, run.info.run_id, child, now=run.info.start_time)
            _log(client, run_id, parent, now=run.info.start_time)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        return str(run_id)


def _log(client: MlflowClient, run_id: str, record: RunRecord, *, now: int) -> None:
    """Log what one run is about, and end it."""
    from mlflow.entities import Metric

    epochs = [
        Metric(key, value, now, step)
        for step, epoch in enumerate(record.epochs)
        for key, value in epoch.items()
    ]
    last = [Metric(key, value, now, len(record.epochs)) for key, value in record.metrics.items()]
    log_parameters(client, run_id, record.parameters)
    log_metrics(client, run_id, epochs + last)
    client.set_terminated(run_id, "FINISHED")
