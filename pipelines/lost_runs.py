"""End runs whose process is gone; Prefect would show them as RUNNING for ever.

Prefect notices the end of a process only while the runner that started it is alive. A killed
`aedetect score`, a runner killed with its runs or a lost machine leave the run RUNNING, and the
only slot of the deployment's concurrency limit occupied. So each run records its process in its
labels, and the next run checks whether that process still exists. For other machines it checks the
heartbeats, which Prefect emits for every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from pipelines.paging import all_pages
from pipelines.process_identity import from_labels

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

FLOWS = ("scoring", "training")
TAG = "aedetect"  # of aedetect's runs: other projects may have a flow "training" too
HEARTBEAT = 30  # interval in s, the minimum of Prefect; its default is 180
SILENT = timedelta(minutes=10)  # three heartbeats of Prefect's default, and one for the network
UNHEARD = timedelta(days=1)  # without any heartbeat: not every server stores events
UNSTARTED = timedelta(minutes=5)  # starting a process on this machine takes seconds
UNSTARTED_IN_POOL = timedelta(hours=1)  # a pool may have to allocate a machine and pull an image


def end_lost_runs(
    client: SyncPrefectClient, *, now: datetime, except_for: UUID | None = None
) -> list[FlowRun]:
    """Set aedetect's runs without a process to Crashed, and return them.

    Cancelling runs become Cancelled. Their work is not lost: the next run does it.
    """
    from prefect.states import Cancelled, Crashed

    ended = []
    for run in under_way(client):
        why = None if run.id == except_for else _why_lost(client, run, now=now)
        if why is None:
            continue
        cancelled = run.state is not None and run.state.is_cancelling()
        client.set_flow_run_state(run.id, (Cancelled if cancelled else Crashed)(message=why))
        ended.append(run)
    return ended


def under_way(client: SyncPrefectClient) -> Sequence[FlowRun]:
    """Return aedetect's runs that are active according to Prefect."""
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    states = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    runs = all_pages(
        lambda offset: client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))
            ),
            offset=offset,
        )
    )
    return [run for run in runs if TAG in run.tags or from_labels(run.labels)]


def _why_lost(client: SyncPrefectClient, run: FlowRun, *, now: datetime) -> str | None:
    """Return why the process of a run must be gone; None if it may exist."""
    process = from_labels(run.labels)
    if process is not None and process.is_gone:
        return f"its process, {process.pid}, has ended without a word: the next run does its work"
    if run.state is None:
        return None
    since = now - run.state.timestamp
    if run.state.is_pending():
        most = UNSTARTED_IN_POOL if run.work_pool_name else UNSTARTED
        return f"it did not start within {since}" if since > most else None
    heard = last_heartbeat(client, run.id) if since > SILENT else None
    silent = now - heard if heard else since
    if since > SILENT and silent > (SILENT if heard else UNHEARD):
        return f"it was not heard of for {silent}: the next run does its work"
    return None


def last_heartbeat(client: SyncPrefectClient, run: UUID) -> datetime | None:
    """Return the time of the last heartbeat of a run; None without one, or without events."""
    reply = client.request(
        "POST",
        "/events/filter",
        json={
            "filter": {
                "event": {"name": ["prefect.flow-run.heartbeat"]},
                "resource": {"id": [f"prefect.flow-run.{run}"]},
                "order": "DESC",
            },
            "limit": 1,
        },
    )
    events = reply.json()["events"]
    return datetime.fromisoformat(events[0]["occurred"]).astimezone(UTC) if events else None
