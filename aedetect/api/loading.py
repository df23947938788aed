"""Load a detector from a registry, a configuration or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.api.detector import Detector

if TYPE_CHECKING:
    from aedetect.config import Config

_SCHEME = "models:/"


def load_detector(source: str | Path | Config, *, tracking_uri: str | None = None) -> Detector:
    """Load a trained detector, with its newest calibration.

    Args:
        source: One of

            - a registered model, in the notation of MLflow or of a configuration:
              "models:/pump@champion", "models:/pump/3", "pump@champion", "pump/3", or "pump" for
              its champion
            - a configuration, or the path of its file (`*.toml`): the model of `[scoring]`
            - a folder written by `Detector.save`. A string that names an existing folder is read
              as that folder.
        tracking_uri: The registry of a registered model. None: `sqlite:///mlruns/mlflow.db` below
            the working folder, the default of a configuration in that folder.

    Raises:
        UnknownModel: There is no such model, version or alias.
        RegistryError: The registry does not answer, or its model is not a detector.
        BrokenDetector: The folder contains no detector, or a damaged one.
        ConfigError: The configuration cannot be read.
    """
    from aedetect.config import Config, check_single, read_config
    from aedetect.errors import ConfigError

    if not isinstance(source, Config):
        if _is_folder(source):
            return Detector.load(Path(source))
        if isinstance(source, str) and not source.endswith(".toml"):
            return _registered(source.removeprefix(_SCHEME), tracking_uri=tracking_uri)
        source = check_single(read_config(Path(source)))
    if tracking_uri is not None:
        raise ConfigError(
            f"tracking_uri is that of the configuration, got {tracking_uri!r} as well: set "
            "[registry] tracking_uri instead"
        )
    return _registered(source.model_reference, tracking_uri=source.tracking_uri)


def _is_folder(source: str | Path) -> bool:
    """Whether the source can only be a folder, or is one."""
    if isinstance(source, str):
        return not source.startswith(_SCHEME) and Path(source).is_dir()
    return source.suffix != ".toml" or source.is_dir()


def _registered(reference: str, *, tracking_uri: str | None) -> Detector:
    """Fetch a detector from a registry."""
    from aedetect.registry import fetch_version, find_version
    from aedetect.registry.settings import RegistrySettings

    uri = tracking_uri or RegistrySettings().tracking_uri
    return Detector.load(fetch_version(find_version(reference, tracking_uri=uri), tracking_uri=uri))
