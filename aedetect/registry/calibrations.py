"""Add a calibration to a registered model, beside its weights."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.errors import RegistryError
from aedetect.registry.artifact_places import beside_database, local_folder
from aedetect.registry.publish import read_version
from aedetect.registry.pyfunc import DETECTOR
from aedetect.registry.records import CALIBRATION, Registered
from aedetect.registry.session import open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "calibrations"  # below the detector's folder, as in `aedetect.calibration.serialization`
COMPLETE = "calibration.json"  # its presence marks the others as complete


def add_calibration(
    registered: Registered,
    folder: Path,
    *,
    version: int,
    tracking_uri: str,
    tags: Mapping[str, object],
    facts: Mapping[str, str] | None = None,
) -> Registered:
    """Store the files of a folder as the next calibration of a version, effective immediately.

    `tags` say what it was calibrated for; `facts` are tags of the version that it replaces.

    The files become part of the logged model, so that every way of loading it includes them. The
    one that marks a calibration as complete is stored last.
    """
    with open_client(tracking_uri) as client:
        path_in_model = f"artifacts/{DETECTOR}/{FOLDER}/{version}"
        files = sorted(folder.iterdir(), key=lambda path: (path.name == COMPLETE, path.name))
        model = _model_id(client, registered)
        place = _local_place(client, model, registered, tracking_uri=tracking_uri)
        for path in files:
            if place is None:
                client.log_model_artifact(model, str(path), path_in_model)
            else:
                store_whole(path, place / path_in_model)
        changed = {CALIBRATION: str(version), "calibrated_for": json.dumps(tags, sort_keys=True)}
        changed |= facts or {}
        for key, value in changed.items():
            client.set_model_version_tag(registered.name, str(registered.version), key, value)
        return read_version(client, name=registered.name, version=str(registered.version))


def _local_place(
    client: MlflowClient, model: str, registered: Registered, *, tracking_uri: str
) -> Path | None:
    """Return where the files of a logged model are on this machine; None when they are not."""
    folder = local_folder(client.get_logged_model(model).artifact_location)
    if folder is None:
        return None
    now = beside_database(folder, name=registered.name, tracking_uri=tracking_uri)
    return now if now.is_dir() else None


def store_whole(source: Path, folder: Path) -> None:
    """Copy a file into a folder in one step: MLflow's copy, cut short, would pass for complete."""
    from aedetect.output import publish  # takes time to import

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{source.name}"
    with part.open("wb") as stream:
        stream.write(source.read_bytes())
        stream.flush()
        os.fsync(stream.fileno())
    publish(part, folder / source.name)


def _model_id(client: MlflowClient, registered: Registered) -> str:
    """Return the id of the logged model of a version; raise RegistryError when it has none.

    It comes from the run: MLflow 3.17 on SQL does not store it with the version.
    """
    outputs = client.get_run(registered.run_id).outputs if registered.run_id else None
    models = outputs.model_outputs if outputs is not None else []
    if not models:
        raise RegistryError(
            f"{registered.reference} must be a logged model for a calibration to be added, but "
            "it is not: run `aedetect train CONFIG` for a new version"
        )
    return str(models[0].model_id)
