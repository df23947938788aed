"""Where models are registered: `[registry]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """Where runs and versions are kept: `[registry]`."""

    tracking_uri: str = "sqlite:///mlruns/mlflow.db"  # artifacts go beside the file
