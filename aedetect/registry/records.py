"""The records that are written to the registry and read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

Parameters = Mapping[str, str | int | float | bool | None]  # flat, dotted keys
ColumnKind = Literal["timestamp", "text", "number", "boolean"]
Table = Mapping[str, Sequence[Any]]  # columns of equal length

CHAMPION = "champion"  # the version that scores
CHALLENGER = "challenger"  # the version trained last
CHANGED_AT = "levels_changed"  # tag: since when levels are new that it has not learnt
CALIBRATION = "calibration"  # tag: number of the newest calibration of a version
FINGERPRINT = "data_fingerprint"  # tag of all detectors; a registry may contain other models


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """The record of a training run."""

    name: str  # of the detector: names the experiment and the registered model
    variant: str
    parameters: Parameters
    epochs: Sequence[Mapping[str, float]]  # metrics by epoch
    metrics: Mapping[str, float]  # of the finished detector
    data_source: str
    data_fingerprint: str
    data_columns: Mapping[str, ColumnKind]  # that scoring needs, in order
    config_hash: str
    tags: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)  # artifacts of the run, by name
    tables: Mapping[str, Table] = field(default_factory=dict)  # likewise, by name: "x.json"
    pictures: Sequence[Path] = ()  # files, stored below plots/
    data_profile: Mapping[str, Any] = field(default_factory=dict)  # of the data set: rows, times
    started: datetime | None = None  # of the training; None: of the registration
    card: Callable[[str], str] | None = None  # "NAME/3" -> the description of that version
    example: pd.DataFrame | None = None  # rows as a caller sends them

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of the run and of the version: their origin, and the tags of the user."""
        own = {"variant": self.variant, "config_hash": self.config_hash}
        return {**self.tags, **own, FINGERPRINT: self.data_fingerprint}


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of a run that registers no model."""

    name: str
    parameters: Parameters
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    epochs: Sequence[Mapping[str, float]] = ()  # metrics by epoch
    tables: Mapping[str, Table] = field(default_factory=dict)  # artifacts, by name: "x.json"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A registered version of a detector."""

    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str
    created: datetime  # UTC
    tags: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The reference of exactly this version: "NAME/3"."""
        return f"{self.name}/{self.version}"

    @property
    def calibration(self) -> int:
        """Number of the newest calibration; 1 is that of training."""
        return int(self.tags.get(CALIBRATION, 1))


def as_registered(version: ModelVersion, *, aliases: Sequence[str]) -> Registered:
    """Convert an MLflow model version."""
    return Registered(
        name=version.name,
        version=int(version.version),
        aliases=tuple(sorted(aliases)),
        run_id=version.run_id or "",
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),  # from ms
        tags=dict(version.tags),
    )
