"""Runs whose process is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from runs import AWAY, GONE, deployed, run_of, under_way

from pipelines.lost_runs import SILENT, UNHEARD, UNSTARTED, end_lost_runs, last_heartbeat

SECOND = timedelta(seconds=1)
RUN = """
from prefect import flow
from pipelines.bookkeeping import guarded

@flow(name="scoring")
@guarded
def scoring():
    print("running", flush=True)
    input()

scoring()
"""


def ended(client, run, *, after=timedelta(0)):
    """Check for lost runs some time from now; return the state of one."""
    end_lost_runs(client, now=datetime.now(UTC) + after)
    return client.read_flow_run(run.id).state


def heard_of(client, run):
    """Emit a heartbeat of a run, as Prefect does, and wait until the server has stored it."""
    from prefect.events import Event

    event = Event(
        event="prefect.flow-run.heartbeat",
        resource={"prefect.resource.id": f"prefect.flow-run.{run.id}"},
    )
    client.request("POST", "/events", json=[event.model_dump(mode="json")])
    deadline = time.monotonic() + 20  # the server writes them in batches
    while last_heartbeat(client, run.id) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert last_heartbeat(client, run.id) is not None


def test_killed_run_is_crashed(client):
    """A run whose process gets SIGKILL is RUNNING to Prefect until the next check."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "running\n"
        run = max(
            (run for run in client.read_flow_runs() if run.labels.get("aedetect.pid")),
            key=lambda run: run.created,
        )
        assert run.labels["aedetect.pid"] == process.pid
        assert ended(client, run).name == "Running"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert client.read_flow_run(run.id).state.name == "Running"
        state = ended(client, run)
        assert (state.name, str(process.pid) in state.message) == ("Crashed", True)


def test_cancelling_run_is_cancelled(client):
    """Its state is Cancelled, as requested."""
    from prefect.states import Cancelling

    _, run = under_way(client, process=GONE)
    client.set_flow_run_state(run.id, Cancelling())
    assert ended(client, run).name == "Cancelled"


def test_lost_run_frees_its_slot(client):
    """The only slot of a deployment is free for the next run."""
    from prefect.states import Pending

    deployment, lost = under_way(client, process=GONE, limit=1)
    waiting = run_of(client, deployment)
    assert client.set_flow_run_state(waiting.id, Pending()).state.name == "AwaitingConcurrencySlot"
    assert ended(client, lost).name == "Crashed"
    assert client.set_flow_run_state(waiting.id, Pending()).state.name == "Pending"


def test_run_itself_is_left_out(client):
    """The run that checks is not lost, whatever its labels."""
    _, run = under_way(client, process=GONE)
    end_lost_runs(client, now=datetime.now(UTC), except_for=run.id)
    assert client.read_flow_run(run.id).state.name == "Running"


@pytest.mark.parametrize("flow", ["training", "cleaning"])
def test_flows_of_other_projects_are_ignored(client, flow):
    """A flow of another project may have the same name, and no heartbeat for days."""
    _, run = under_way(client, process=None, tags=(), flow=flow)
    assert ended(client, run, after=2 * UNHEARD).name == "Running"


def test_run_of_another_machine_is_active_while_it_has_heartbeats(client):
    """It is lost when heartbeats are absent for longer than the limit."""
    _, run = under_way(client, process=AWAY)
    heard_of(client, run)
    assert ended(client, run, after=SILENT - 5 * SECOND).name == "Running"
    state = ended(client, run, after=SILENT + 5 * SECOND)
    assert state.name == "Crashed"
    assert "it was not heard of for 0:10:" in state.message


def test_run_without_any_heartbeat_is_lost_after_a_day(client):
    """A server may store no events; then their absence proves nothing."""
    _, run = under_way(client, process=AWAY)
    assert ended(client, run, after=UNHEARD - 5 * SECOND).name == "Running"
    assert ended(client, run, after=UNHEARD + 5 * SECOND).name == "Crashed"


def test_run_that_never_started_is_crashed(client):
    """Killed before the start of its process, it would be PENDING for ever."""
    from prefect.states import Pending

    run = run_of(client, deployed(client, f"run-{uuid4()}"))
    client.set_flow_run_state(run.id, Pending())
    assert ended(client, run, after=UNSTARTED - 5 * SECOND).name == "Pending"
    assert ended(client, run, after=UNSTARTED + 5 * SECOND).name == "Crashed"
