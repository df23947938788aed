"""Start a run of what is served or deployed, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aedetect.data.schema import suggest_nearest
from aedetect.errors import RunFailed, ServerError, UnknownDeployment
from pipelines.lost_runs import TAG
from pipelines.server import find_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_LOOK_SECONDS = 1.0
_TRIES = 5
_PAGE = 200  # deployments a request, the most that Prefect gives


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

    find_server()
    with _client() as client:
        try:
            deployment = client.read_deployment_by_name(f"{flow}/{detector}")
        except ObjectNotFound as error:
            raise UnknownDeployment(_unknown(client, detector, flow)) from error
        run = client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
        return Run(run.id, run.name, _url(run.id))


def await_end(run: Run) -> str:
    """Wait for a run's end and say how it ended; raise RunFailed unless it completed."""
    while True:
        with _client() as client:
            state = client.read_flow_run(run.id).state
        if state is not None and state.is_final():
            break
        time.sleep(_LOOK_SECONDS)
    said = f"{run.name}: {state.name}" + (f" ({state.message})" if state.message else "")
    if not state.is_completed():
        raise RunFailed(f"the run did not complete: {said}; its log: {run.url}")
    return said


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """Give a client; what Prefect's server refuses or does not answer becomes a ServerError."""
    import httpx
    from prefect import get_client

    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise ServerError(
            f"the Prefect server did not take the run: {error}; look at the server's log"
        ) from error


def _unknown(client: SyncPrefectClient, detector: str, flow: str) -> str:
    """Say which detectors there are."""
    from prefect.client.schemas import filters

    found: Any = client.read_deployments(
        flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=[flow])), limit=_PAGE
    )
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
