"""Delete flow runs: those that did nothing, and old ones where `aedetect schedule` has the server.

Of a schedule that fires every minute, most runs find nothing new. Such a run is tagged, and the
next run of its deployment deletes it: one is left, which shows that the schedule is alive, and
`runs/` of the output records all of them. A run does not delete itself: its task runs and its last
log lines reach the server after it has ended, which then has nowhere to put them.

Prefect itself deletes events after a week (PREFECT_SERVER_EVENTS_RETENTION_PERIOD) and keeps runs,
their task runs and their logs for ever. Of other servers their owners decide, and of runs that are
not ours whoever started them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.lost_runs import FLOWS, TAG

IDLE = "nothing-new"  # tag of a run that did nothing and had nothing to say
_SETTLED = timedelta(seconds=30)  # after the end of a run, until all about it has arrived

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun


def delete_old_runs(client: SyncPrefectClient, *, now: datetime, keep: timedelta) -> int:
    """Delete some of aedetect's runs that ended more than `keep` ago; return their number.

    A page of them, the oldest first: who calls this every minute soon has deleted all.
    """
    from prefect.client.schemas import filters

    before: Any = now - keep  # Prefect annotates its own datetime type
    return _delete(
        client,
        flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=list(FLOWS))),
        flow_run_filter=filters.FlowRunFilter(
            tags=filters.FlowRunFilterTags(all_=[TAG]),
            end_time=filters.FlowRunFilterEndTime(before_=before),
        ),
    )


def delete_idle_runs(client: SyncPrefectClient, run: FlowRun, *, now: datetime) -> int:
    """Delete the runs of this run's deployment that did nothing; return their number.

    Only runs that the schedule started: who triggered a run may ask for it later.
    """
    from prefect.client.schemas import filters

    if run.deployment_id is None:
        return 0
    before: Any = now - _SETTLED
    return _delete(
        client,
        flow_run_filter=filters.FlowRunFilter(
            deployment_id=filters.FlowRunFilterDeploymentId(any_=[run.deployment_id]),
            tags=filters.FlowRunFilterTags(all_=[TAG, IDLE]),
            end_time=filters.FlowRunFilterEndTime(before_=before),
        ),
        scheduled=True,
    )


def _delete(client: SyncPrefectClient, *, scheduled: bool = False, **chosen: Any) -> int:
    """Delete a page of runs, the oldest first; with `scheduled` only those of a schedule."""
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound

    deleted = 0
    for run in client.read_flow_runs(sort=FlowRunSort.START_TIME_ASC, **chosen):
        if scheduled and not run.auto_scheduled:
            continue
        try:
            client.delete_flow_run(run.id)
        except ObjectNotFound:  # deleted meanwhile
            continue
        deleted += 1
    return deleted
