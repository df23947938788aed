"""Create deployments and runs on the Prefect server of the tests, without running them."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pipelines.lost_runs import TAG
from pipelines.process_identity import Process, this_process

GONE = Process(place=this_process().place, pid=2**22 + 1, started="1")  # above any PID
AWAY = Process(place="another machine", pid=1, started="1")
DAILY = "0 6 * * *"
EAGER = {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}  # seconds; 10 by default
SECONDS = 120  # for the start of the server and the first scheduled run


@pytest.fixture
def client(prefect, monkeypatch):
    """A client of the server; processes started by a test use the same server."""
    from prefect import get_client
    from prefect.settings import PREFECT_API_URL

    api = str(PREFECT_API_URL.value())
    monkeypatch.setenv("PREFECT_API_URL", api)
    assert os.environ["PREFECT_API_URL"] == api
    with get_client(sync_client=True) as client:
        yield client


def deployed(client, name, *, flow="scoring", cron=DAILY, limit=None, tags=(TAG,)):
    """Create a deployment of a named flow; return its id."""
    flow_id = client.create_flow_from_name(flow)
    return client.create_deployment(
        flow_id,
        name=name,
        entrypoint=f"pipelines.{flow}.{flow}",
        parameters={"config_path": f"{name}.toml"},
        schedules=[{"schedule": {"cron": cron, "timezone": "UTC"}, "active": True}],
        tags=list(tags),
        concurrency_limit=limit,
    )


def missed(client, deployment, *, days):
    """Create the scheduled runs of a deployment of some past days."""
    now = datetime.now(UTC)
    client.request(
        "POST",
        f"/deployments/{deployment}/schedule",
        json={
            "start_time": (now - timedelta(days=days)).isoformat(),
            "end_time": now.isoformat(),
            "min_runs": days,
            "max_runs": days,
        },
    )


def run_of(client, deployment, **parameters):
    """Trigger a run of a deployment."""
    return client.create_flow_run_from_deployment(deployment, parameters=parameters)


def states(client, deployment):
    """Return the runs of a deployment as (state name, message), the latest due first."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.sorting import FlowRunSort

    runs = client.read_flow_runs(
        flow_run_filter=filters.FlowRunFilter(
            deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment])
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
    return [(run.state.name, run.state.message) for run in runs]


def begin(client, run):
    """Set a run to RUNNING."""
    from prefect.states import Pending, Running

    assert client.set_flow_run_state(run.id, Pending()).state.is_pending()
    assert client.set_flow_run_state(run.id, Running()).state.is_running()


def under_way(client, *, process, limit=None, tags=("aedetect",), flow="scoring"):
    """Begin a run with a process in its labels."""
    deployment = deployed(client, f"run-{uuid4()}", limit=limit, tags=tags, flow=flow)
    run = run_of(client, deployment)
    begin(client, run)
    if process:
        client.update_flow_run_labels(run.id, process.labels)
    return deployment, run


def free_port():
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(found, process, *, seconds=SECONDS):
    """Wait until a condition holds or a process has ended."""
    deadline = time.monotonic() + seconds
    while not found() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
