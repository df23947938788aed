"""What goes into the registry and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Parameters = Mapping[str, str | int | float | bool | None]  # flat, dotted keys
ColumnKind = Literal["timestamp", "text", "number", "boolean"]

CHAMPION = "champion"  # the version that scores
CHALLENGER = "challenger"  # the version trained last
CALIBRATION = "calibration"  # the tag with the number of a version's newest calibration
FINGERPRINT = "data_fingerprint"  # every version of ours has this tag; a registry may hold others


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What should be known later about one training."""

    name: str  # of the detector: names the experiment and the registered model
    variant: str
    parameters: Parameters
    epochs: Sequence[Mapping[str, float]]  # metrics by epoch
    metrics: Mapping[str, float]  # of the finished detector
    data_source: str
    data_fingerprint: str
    data_columns: Mapping[str, ColumnKind]  # what scoring needs, in order
    config_hash: str
    tags: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)  # files that the run keeps, by name

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of the run and of the version: where they come from, and what the user adds."""
        own = {"variant": self.variant, "config_hash": self.config_hash}
        return {**self.tags, **own, FINGERPRINT: self.data_fingerprint}


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What should be known later about one run that registers no model."""

    name: str
    parameters: Parameters
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    epochs: Sequence[Mapping[str, float]] = ()  # metrics by epoch


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One version of a detector."""

    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str
    created: datetime  # UTC
    tags: Mapping[str, str]

    @property
    def reference(self) -> str:
        """What asks for exactly this version: "NAME/3"."""
        return f"{self.name}/{self.version}"

    @property
    def calibration(self) -> int:
        """Number of the newest calibration; 1 is that of the training."""
        return int(self.tags.get(CALIBRATION, 1))


def as_registered(version: ModelVersion, *, aliases: Sequence[str]) -> Registered:
    """Translate a version of MLflow's into one of ours."""
    return Registered(
        name=version.name,
        version=int(version.version),
        aliases=tuple(sorted(aliases)),
        run_id=version.run_id or "",
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),  # from ms
        tags=dict(version.tags),
    )
