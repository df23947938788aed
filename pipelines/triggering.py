"""Start a run of what is served or deployed, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aedetect.data.schema import suggest_nearest
from aedetect.errors import RunFailed, ServerError, UnknownDeployment
from pipelines.lost_runs import TAG, UNSTARTED_IN_POOL, end_lost_runs, under_way
from pipelines.paging import all_pages
from pipelines.server import await_api, found_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

_LOOK_SECONDS = 1.0  # between two looks at the run
_LOOK_AROUND_SECONDS = 30.0  # between two looks at the others


@dataclass(frozen=True)
class Run:
    """A run that was started."""

    id: UUID
    name: str
    url: str  # where people see it


def start_run(detector: str, *, flow: str, parameters: Mapping[str, object]) -> Run:
    """Start a run of a detector's flow, with some parameters set.

    Raises ServerError without a Prefect server, and UnknownDeployment when nothing of that name is
    served or deployed.
    """
    from prefect.exceptions import ObjectNotFound

    with _client() as client:
        await_api()
        try:
            deployment = client.read_deployment_by_name(f"{flow}/{detector}")
        except ObjectNotFound as error:
            raise UnknownDeployment(_unknown(client, detector, flow)) from error
        run = client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
        return Run(run.id, run.name, _url(run.id))


def await_end(run: Run, *, most_idle: float = UNSTARTED_IN_POOL.total_seconds()) -> str:
    """Wait for a run's end and say how it ended; raise RunFailed unless it completed.

    A run may take hours, or wait hours for others. It has failed when somebody deletes it, when its
    process is gone, and when for `most_idle` seconds no run at all is under way: nobody starts it.
    """
    state, busy = _state(run), time.monotonic()
    looked = busy
    while state is None or not state.is_final():
        if time.monotonic() - busy > most_idle:
            raise RunFailed(
                f"{run.name} must be started by a runner or a worker, got none for "
                f"{most_idle:.0f} s: start `aedetect schedule` or a worker; the run: {run.url}"
            )
        time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        if now - looked >= min(_LOOK_AROUND_SECONDS, most_idle):
            looked = now
            busy = busy if _is_idle() else now
        state = _state(run)
    said = f"{run.name}: {state.name}" + (f" ({state.message})" if state.message else "")
    if not state.is_completed():
        raise RunFailed(f"the run did not complete: {said}; its log: {run.url}")
    return said


def _state(run: Run) -> State[Any] | None:
    """Return the state of a run."""
    from prefect.exceptions import ObjectNotFound

    try:
        with _client() as client:
            return client.read_flow_run(run.id).state
    except ObjectNotFound as error:
        raise RunFailed(f"{run.name} was deleted before it ended: start another one") from error


def _is_idle() -> bool:
    """Whether no run of ours is under way, once those are ended whose process is gone."""
    with _client() as client:
        end_lost_runs(client, now=datetime.now(UTC))
        return not under_way(client)


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """Give a client; what Prefect's server refuses or does not answer becomes a ServerError."""
    import httpx
    from prefect import get_client

    try:
        with found_server(), get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise ServerError(
            f"the Prefect server did not take the run: {error}; look at the server's log"
        ) from error


def _unknown(client: SyncPrefectClient, detector: str, flow: str) -> str:
    """Say which detectors there are."""
    from prefect.client.schemas import filters

    of_flow = filters.FlowFilter(name=filters.FlowFilterName(any_=[flow]))
    found = all_pages(lambda offset: client.read_deployments(flow_filter=of_flow, offset=offset))
    names = sorted(each.name for each in found if TAG in each.tags)
    there = f"there are {', '.join(names)}" if names else "there is none"
    return (
        f'no detector "{detector}" is served or deployed for {flow}'
        f"{suggest_nearest(detector, names)}; {there}: serve it with `aedetect schedule` or "
        "deploy it with `aedetect deploy`"
    )


def _url(run: UUID) -> str:
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    base = PREFECT_UI_URL.value() or str(PREFECT_API_URL.value()).removesuffix("/api")
    return f"{base}/runs/flow-run/{run}"
