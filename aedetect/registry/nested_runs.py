"""Log several runs below one parent, without registering a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aedetect.registry.publish import ensure_experiment
from aedetect.registry.records import RunRecord
from aedetect.registry.run_log import log_record
from aedetect.registry.session import open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PARENT = "mlflow.parentRunId"  # the tag by which MLflow nests runs


def log_nested(
    parent: RunRecord, children: Sequence[RunRecord], *, name: str, tracking_uri: str
) -> str:
    """Log a run and its child runs in the experiment of a detector; return the parent's id."""
    with open_client(tracking_uri, create=True) as client:
        number = ensure_experiment(client, name=name, tracking_uri=tracking_uri)
        with _logged(client, number, parent) as run_id:
            for child in children:
                with _logged(client, number, child, {_PARENT: run_id}):
                    pass
        return run_id


@contextmanager
def _logged(
    client: MlflowClient, number: str, record: RunRecord, tags: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start a run, log it after the body, and end it; on any error it ends as FAILED."""
    run = client.create_run(number, run_name=record.name, tags={**record.tags, **(tags or {})})
    run_id = str(run.info.run_id)
    try:
        yield run_id
        log_record(client, run_id, record, now=run.info.start_time)
        client.set_terminated(run_id, "FINISHED")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
