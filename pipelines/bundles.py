"""Groups of partitions in bundles, a Prefect task each: a task costs as much as a small group.

A state of a task travels to the server and into its database, which takes tens of milliseconds of
processor time for a task: with a task for each of 80 groups that was several percent of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aedetect.execution.local_pool import usable_cores

if TYPE_CHECKING:
    from aedetect.execution.local_compute import Compute
    from aedetect.scoring import Unit
    from aedetect.scoring.worker import ComputedPartition, Deferred

_MOST_TASKS = 8  # of a run, and at least four for each core, so that all have work to the end


def bundle_groups(groups: Sequence[Sequence[Unit]]) -> list[tuple[Sequence[Unit], ...]]:
    """Return the groups in bundles of about equal numbers, in order."""
    most = max(_MOST_TASKS, 4 * usable_cores())
    size = -(-len(groups) // most) or 1
    return [tuple(groups[start : start + size]) for start in range(0, len(groups), size)]


def compute_bundle(
    groups: Sequence[Sequence[Unit]], *, compute: Compute
) -> list[ComputedPartition | Deferred]:
    """Compute one group after the other, or wait until they are computed."""
    return [done for group in groups for done in compute(group)]
