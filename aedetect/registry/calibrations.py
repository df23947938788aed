"""A new calibration of a registered model, beside the weights that it is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.errors import RegistryError
from aedetect.registry.publish import current
from aedetect.registry.pyfunc import DETECTOR
from aedetect.registry.records import CALIBRATION, Registered
from aedetect.registry.session import speaking

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "calibrations"  # below the detector's, as `aedetect.calibration.serialization` has it
LAST = "calibration.json"  # says that the others are there


def add_calibration(
    registered: Registered,
    folder: Path,
    *,
    version: int,
    tracking_uri: str,
    tags: Mapping[str, object],
) -> Registered:
    """Store the files of a folder as a version's next calibration, which holds from then on.

    They become part of the logged model, so that whoever loads it gets them too. What a calibration
    is recognised by is stored last.
    """
    with speaking(tracking_uri) as client:
        place = f"artifacts/{DETECTOR}/{FOLDER}/{version}"
        files = sorted(folder.iterdir(), key=lambda path: (path.name == LAST, path.name))
        model = _model_id(client, registered)
        for path in files:
            client.log_model_artifact(model, str(path), place)
        said = {CALIBRATION: str(version), "calibrated_for": json.dumps(tags, sort_keys=True)}
        for key, value in said.items():
            client.set_model_version_tag(registered.name, str(registered.version), key, value)
        return current(client, name=registered.name, version=str(registered.version))


def _model_id(client: MlflowClient, registered: Registered) -> str:
    """Return the logged model of a version; raise RegistryError when it has none.

    The run that made it says which: MLflow 3.17 on SQL does not keep it with the version.
    """
    outputs = client.get_run(registered.run_id).outputs if registered.run_id else None
    models = outputs.model_outputs if outputs is not None else []
    if not models:
        raise RegistryError(
            f"{registered.reference} must be a logged model for a calibration to be added, but "
            "it is not: run `aedetect train` for a new version"
        )
    return str(models[0].model_id)
