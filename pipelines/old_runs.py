"""Delete old flow runs from a Prefect server that `aedetect schedule` started.

Prefect itself deletes events after a week (PREFECT_SERVER_EVENTS_RETENTION_PERIOD) and keeps runs,
their task runs and their logs for ever. Of other servers their owners decide, and of runs that are
not ours whoever started them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.lost_runs import FLOWS, TAG

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def delete_old_runs(client: SyncPrefectClient, *, now: datetime, keep: timedelta) -> int:
    """Delete some of aedetect's runs that ended more than `keep` ago; return their number.

    A page of them, the oldest first: who calls this every minute soon has deleted all.
    """
    from prefect.client.schemas import filters
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound

    before: Any = now - keep  # Prefect annotates its own datetime type
    runs = client.read_flow_runs(
        flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=list(FLOWS))),
        flow_run_filter=filters.FlowRunFilter(
            tags=filters.FlowRunFilterTags(all_=[TAG]),
            end_time=filters.FlowRunFilterEndTime(before_=before),
        ),
        sort=FlowRunSort.START_TIME_ASC,
    )
    deleted = 0
    for run in runs:
        try:
            client.delete_flow_run(run.id)
        except ObjectNotFound:  # deleted meanwhile
            continue
        deleted += 1
    return deleted
