"""Where the artifacts of a local registry lie: beside its database, wherever that was moved.

MLflow notes absolute places. After a project was moved or copied they name another folder; those
of a SQLite registry that aedetect made are found beside the database all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from aedetect.errors import RegistryError
from aedetect.registry.availability import sqlite_file
from aedetect.secrets import mask

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

_ARTIFACTS = "artifacts"


def local_folder(location: str) -> Path | None:
    """Return an artifact location as a folder of this machine; None when it is none."""
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme in {"", "file"} else None


def beside_database(folder: Path, *, name: str, tracking_uri: str) -> Path:
    """Return where a folder of a detector's artifacts is now, as it is when nothing was moved."""
    file = sqlite_file(tracking_uri)
    if file is None:
        return folder
    parts = folder.parts
    for at in range(len(parts) - 1, 0, -1):
        if parts[at - 1 : at + 1] == (_ARTIFACTS, name):
            moved = file.parent.joinpath(_ARTIFACTS, *parts[at:])
            if moved.exists() or not folder.exists():
                return moved
    return folder


def artifact_root(name: str, *, tracking_uri: str) -> Path | None:
    """Return where the artifacts of a detector go; None leaves it to the registry."""
    file = sqlite_file(tracking_uri)
    return file.parent / _ARTIFACTS / name if file else None


def check_active(found: Experiment, *, tracking_uri: str) -> None:
    """Raise RegistryError when an experiment was deleted."""
    if found.lifecycle_stage != "active":
        raise RegistryError(
            f"the experiment {found.name} must be active, but it was deleted in MLflow: "
            f"`MLFLOW_TRACKING_URI={mask(tracking_uri)} mlflow experiments restore "
            f"--experiment-id {found.experiment_id}` restores it; or choose another "
            "[detector] name"
        )


def settle_experiment(
    client: MlflowClient, found: Experiment, *, tracking_uri: str
) -> Experiment | None:
    """Return the experiment if what it keeps goes where it should; else None, and make way.

    Raises RegistryError when it was deleted. The place of an experiment cannot be changed: one
    that came here with a moved project keeps its runs under another name.
    """
    check_active(found, tracking_uri=tracking_uri)
    root = artifact_root(found.name, tracking_uri=tracking_uri)
    place = local_folder(found.artifact_location or "")
    if root is None or place is None or place.parts[-2:] != (_ARTIFACTS, found.name):
        return found
    if place.resolve() == root.resolve():
        return found
    client.rename_experiment(found.experiment_id, f"{found.name}, artifacts in {place}")
    return None
