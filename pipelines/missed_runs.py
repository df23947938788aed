"""Scheduled runs that fell due while nothing ran: one does the work of all.

When serving resumes, Prefect 3.8 starts every run that it missed (305 after 70 minutes, once).
Scoring and training see all that is there, so one run is enough. It is the first to start that does
it, and that ends the others, rather than each looking whether it is the newest: nothing can wait
for one that never comes, however short the schedule and slow the machine, and no process is
started to find out that it has nothing to do. When serving starts, that is the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

SKIPPED = "Skipped"  # name of their state, whose type is CANCELLED
_PAGE = 200  # runs a request, the most that Prefect gives


def skip_others(client: SyncPrefectClient, run: FlowRun, *, now: datetime) -> int:
    """End the runs that are due and ask for what this one does; return how many.

    Only what a schedule made: a run that somebody asked for is never skipped.
    """
    if run.deployment_id is None:
        return 0
    skipped = 0
    while found := [
        each
        for each in due(client, run.deployment_id, now=now)
        if each.id != run.id and each.parameters == run.parameters
    ]:
        _skip(client, found, instead=run)
        skipped += len(found)
    return skipped


def skip_all_but_newest(client: SyncPrefectClient, deployment: UUID, *, now: datetime) -> int:
    """End the missed runs of a deployment before any is started, but for one; return how many."""
    runs = due(client, deployment, now=now)
    if not runs:
        return 0
    return skip_others(client, runs[0], now=now)


def due(client: SyncPrefectClient, deployment: UUID, *, now: datetime) -> Sequence[FlowRun]:
    """Return runs that a schedule made and that should have started, the newest first."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    before: Any = now  # Prefect's own type is another name for it
    runs = client.read_flow_runs(
        flow_run_filter=filters.FlowRunFilter(
            deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment]),
            state=filters.FlowRunFilterState(
                type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])
            ),
            expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=before),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_PAGE,
    )
    return [run for run in runs if run.auto_scheduled]


def _skip(client: SyncPrefectClient, runs: Sequence[FlowRun], *, instead: FlowRun) -> None:
    from prefect.client.schemas.objects import State, StateType

    message = f"{instead.name} does the work of this run too"
    for run in runs:
        state = State[None](type=StateType.CANCELLED, name=SKIPPED, message=message)
        client.set_flow_run_state(run.id, state, force=True)
