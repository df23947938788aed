"""Register trained detectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.registry.artifact_places import artifact_root, check_active, settle_experiment
from aedetect.registry.history import Decision, add_promotion
from aedetect.registry.pyfunc import pyfunc
from aedetect.registry.records import (
    CHALLENGER,
    CHAMPION,
    Registered,
    TrainingRecord,
    as_registered,
)
from aedetect.registry.run_log import log_training
from aedetect.registry.run_tables import tables_tag
from aedetect.registry.session import is_absent, open_client, tolerating_existing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

_NOTE = "mlflow.note.content"  # the tag that MLflow shows as the description of a run


def register_version(folder: Path, *, record: TrainingRecord, tracking_uri: str) -> Registered:
    """Log a training run and register its detector; the first version becomes champion.

    The run begins when the training did, and is named after the version once that has a number.
    """
    with open_client(tracking_uri, create=True) as client:
        run = _start_run(client, record=record, tracking_uri=tracking_uri)
        try:
            model = _upload_model(client, folder=folder, record=record, run=run)
            log_training(client, record=record, run=run, model=model)
            version = _next_version(client, record=record, model=model)
            _describe(client, record=record, run=run, version=version)
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
    started = None if record.started is None else int(record.started.timestamp() * 1000)
    tags = record.all_tags | tables_tag(record.tables)
    return client.create_run(number, start_time=started, run_name=record.name, tags=tags)


def _describe(client: MlflowClient, *, record: TrainingRecord, run: Run, version: str) -> None:
    """Name the run after the version, and describe both by the model card."""
    reference = f"{record.name}/{version}"
    client.update_run(run.info.run_id, name=reference)
    if record.card is not None:
        text = record.card(reference)
        client.update_model_version(record.name, version, text)
        client.set_tag(run.info.run_id, _NOTE, text)


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
            return str(client.create_experiment(name, root.as_uri() if root else None))
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
    with pyfunc(folder, columns=record.data_columns, model=model, example=record.example) as saved:
        client.log_model_artifacts(model.model_id, str(saved))
    return client.finalize_logged_model(model.model_id, "READY")


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
    registered = client.get_registered_model(record.name)
    if CHAMPION not in registered.aliases:
        first = Decision(action="first", why="the first version")
        add_promotion(client, registered, record.all_tags, version=int(version), decision=first)
    return version
