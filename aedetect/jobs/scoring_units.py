"""Partitions of a scoring run, computed in this process or on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.execution.local_compute import computing
from aedetect.output.filesystem import is_remote
from aedetect.scoring.grouping import group_units
from aedetect.scoring.settings import ScoringSettings
from aedetect.scoring.worker import ComputedPartition, Deferred

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.scoring import Model, Unit

_LOCAL = ScoringSettings()


def compute_units(
    units: Sequence[Unit], *, model: Model, output: Path, settings: ScoringSettings = _LOCAL
) -> list[ComputedPartition | Deferred]:
    """Compute groups of partitions on the cores of this machine, or on a cluster."""
    if units and settings.executor != "local":
        return compute_remotely(units, model=model, output=output, settings=settings)
    groups = group_units(units, model)
    with computing(groups, model=model, output=output) as compute:
        return [done for each in groups for done in compute(each)]


def compute_remotely(
    units: Sequence[Unit], *, model: Model, output: Path, settings: ScoringSettings
) -> list[ComputedPartition | Deferred]:
    """Compute all partitions on the cluster of the settings."""
    from aedetect.execution import compute_on_cluster

    assert settings.address is not None
    return compute_on_cluster(
        units, model=model, output=output, executor=settings.executor, address=settings.address
    )


def shared_scratch(scratch: Path, config: Config) -> Path | None:
    """Return the scratch folder of a run if the workers see it.

    With output on object storage it is on a disk of this machine, which other machines do not see.
    """
    return None if config.scoring.executor != "local" and is_remote(config.output) else scratch
