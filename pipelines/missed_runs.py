"""Scheduled runs that were due while nothing ran: one run does the work of all.

When serving resumes, Prefect starts every run that it missed (305 after 70 minutes, once).
Scoring and training process all existing data, so one run is enough. The first run to start does
the work and skips the others, instead of each checking whether it is the newest: so no run waits
for one that never starts, however short the schedule and slow the machine, and no process is
started without work to do. When serving starts, the first run is the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipelines.naming import skipped_name
from pipelines.old_runs import IDLE
from pipelines.paging import all_pages

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

SKIPPED = "Skipped"  # name of their state, whose type is CANCELLED


def skip_others(client: SyncPrefectClient, run: FlowRun, *, now: datetime) -> int:
    """Skip the due runs with the same parameters as this one; return their number.

    Only scheduled runs are skipped: a triggered run never is.
    """
    if run.deployment_id is None:
        return 0
    others = [
        each
        for each in due(client, run.deployment_id, now=now)
        if each.id != run.id and each.parameters == run.parameters
    ]
    if not others:
        return 0
    name = skipped_name(client.read_deployment(run.deployment_id).name)
    return sum(_skip(client, each, instead=run, name=name) for each in others)


def skip_all_but_newest(client: SyncPrefectClient, deployment: UUID, *, now: datetime) -> int:
    """Skip all missed runs of a deployment but the newest; return their number."""
    runs = due(client, deployment, now=now)
    if not runs:
        return 0
    return skip_others(client, runs[0], now=now)


def due(client: SyncPrefectClient, deployment: UUID, *, now: datetime) -> Sequence[FlowRun]:
    """Return the scheduled runs that should have started, the newest first."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    before: Any = now  # Prefect annotates its own datetime type
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


def _skip(client: SyncPrefectClient, run: FlowRun, *, instead: FlowRun, name: str) -> bool:
    """Skip a run; return whether the server accepted it. The next run retries rejected ones.

    Nothing happened in it: its record is deleted like that of a run that found nothing new.
    """
    from prefect.client.schemas.objects import State, StateType
    from prefect.client.schemas.responses import SetStateStatus
    from prefect.exceptions import ObjectNotFound

    # By its time: its name will be another one.
    due_at = f"{instead.expected_start_time or instead.created:%Y-%m-%d %H:%M:%S}"
    message = f"the run that was due at {due_at} UTC does the work of this run too"
    state = State[None](type=StateType.CANCELLED, name=SKIPPED, message=message)
    try:
        answer = client.set_flow_run_state(run.id, state, force=True)
        if answer.status is SetStateStatus.ACCEPT:
            client.update_flow_run(run.id, name=name, tags=[*run.tags, IDLE])
    except ObjectNotFound:  # deleted meanwhile
        return False
    return answer.status is SetStateStatus.ACCEPT
