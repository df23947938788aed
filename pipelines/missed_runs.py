"""Scheduled runs that fell due while nothing ran: one does the work of all.

When serving resumes, Prefect starts every run that it missed (305 after 70 minutes, once).
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

from pipelines.paging import all_pages

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

SKIPPED = "Skipped"  # name of their state, whose type is CANCELLED


def skip_others(client: SyncPrefectClient, run: FlowRun, *, now: datetime) -> int:
    """End the runs that are due and ask for what this one does; return how many.

    Only what a schedule made: a run that somebody asked for is never skipped.
    """
    if run.deployment_id is None:
        return 0
    others = [
        each
        for each in due(client, run.deployment_id, now=now)
        if each.id != run.id and each.parameters == run.parameters
    ]
    return sum(_skip(client, each, instead=run) for each in others)


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
    wanted = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment]),
        state=filters.FlowRunFilterState(
            type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])
        ),
        expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=before),
    )
    newest_first = FlowRunSort.EXPECTED_START_TIME_DESC
    runs = all_pages(
        lambda offset: client.read_flow_runs(
            flow_run_filter=wanted, sort=newest_first, offset=offset
        )
    )
    return [run for run in runs if run.auto_scheduled]


def _skip(client: SyncPrefectClient, run: FlowRun, *, instead: FlowRun) -> bool:
    """End a run, and say whether the server took it; what stays behind, the next run finds."""
    from prefect.client.schemas.objects import State, StateType
    from prefect.client.schemas.responses import SetStateStatus
    from prefect.exceptions import ObjectNotFound

    message = f"{instead.name} does the work of this run too"
    state = State[None](type=StateType.CANCELLED, name=SKIPPED, message=message)
    try:
        answer = client.set_flow_run_state(run.id, state, force=True)
    except ObjectNotFound:  # somebody deleted it meanwhile
        return False
    return answer.status is SetStateStatus.ACCEPT
