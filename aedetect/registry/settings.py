"""Settings of the registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """The location of runs and model versions: `[registry]`."""

    tracking_uri: str = "sqlite:///mlruns/mlflow.db"  # artifacts go beside the file
    log_scoring: bool = True  # outcome and drift, once a day of data, on the run of the version
