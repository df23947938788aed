"""Start a run of a served or deployed detector, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from aedetect.data.schema import suggest_nearest
from aedetect.errors import RunFailed, ServerError, UnknownDeployment
from pipelines.lost_runs import TAG, UNSTARTED_IN_POOL, end_lost_runs, under_way
from pipelines.naming import begun_name
from pipelines.paging import all_pages
from pipelines.server import await_api, found_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

_POLL_SECONDS = 1.0  # between two checks of the run
_POLL_OTHERS_SECONDS = 30.0  # between two checks of other runs


@dataclass(frozen=True)
class Run:
    """A started run."""

    id: UUID
    name: str
    url: str  # in the user interface


def start_run(
    detector: str, *, flow: str, parameters: Mapping[str, object], once: str | None = None
) -> Run:
    """Start a run of a detector's flow, with some parameters set.

    With the same key `once` it is started once: the run that there is is returned.

    Raises ServerError without a Prefect server, and UnknownDeployment when no deployment has that
    name.
    """
    from prefect.exceptions import ObjectNotFound

    with _client() as client:
        await_api()
        try:
            deployment = client.read_deployment_by_name(f"{flow}/{detector}")
        except ObjectNotFound as error:
            raise UnknownDeployment(_unknown(client, detector, flow)) from error
        run = client.create_flow_run_from_deployment(
            deployment.id,
            name=begun_name(detector, flow),
            parameters=dict(parameters),
            idempotency_key=once,
        )
        return Run(run.id, run.name, _url(run.id))


def await_end(run: Run, *, most_idle: float = UNSTARTED_IN_POOL.total_seconds()) -> str:
    """Wait for the end of a run and return its state; raise RunFailed unless it completed.

    A run may take hours, or wait hours for others. It has failed if it is deleted, if its process
    is gone, or if no run at all is active for `most_idle` seconds: then there is no runner.
    """
    found, busy = _read(run), time.monotonic()
    looked = busy
    while (state := found.state) is None or not state.is_final():
        if time.monotonic() - busy > most_idle:
            raise RunFailed(
                f"{run.name} must be started by a runner or a worker, got none for "
                f"{most_idle:.0f} s: start `aedetect schedule` or a worker; the run: {run.url}"
            )
        time.sleep(_POLL_SECONDS)
        now = time.monotonic()
        if now - looked >= min(_POLL_OTHERS_SECONDS, most_idle):
            looked = now
            busy = busy if _is_idle() else now
        found = _read(run)
    outcome = f"{found.name}: {state.name}" + (f" ({state.message})" if state.message else "")
    if not state.is_completed():
        raise RunFailed(f"the run did not complete: {outcome}; its log: {run.url}")
    return outcome


def _read(run: Run) -> FlowRun:
    """Return a run as it is now: runs are renamed after what they did."""
    from prefect.exceptions import ObjectNotFound

    try:
        with _client() as client:
            return client.read_flow_run(run.id)
    except ObjectNotFound as error:
        raise RunFailed(f"{run.name} was deleted before it ended: start another one") from error


def _is_idle() -> bool:
    """Whether none of aedetect's runs is active, after ending lost ones."""
    with _client() as client:
        end_lost_runs(client, now=datetime.now(UTC))
        return not under_way(client)


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
    """Yield a client; HTTP errors become ServerError."""
    import httpx
    from prefect import get_client

    try:
        with found_server(), get_client(sync_client=True) as client:
            yield client
    except httpx.HTTPError as error:
        raise ServerError(
            f"the Prefect server did not take the run: {error}; read the server's log"
        ) from error


def _unknown(client: SyncPrefectClient, detector: str, flow: str) -> str:
    """Return the message for an unknown detector; it lists the known ones."""
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
