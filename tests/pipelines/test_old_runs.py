"""Old flow runs: only aedetect's runs are deleted, and only on a server that it started."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from runs import begin, deployed, missed, run_of

from pipelines.missed_runs import due
from pipelines.old_runs import IDLE, delete_idle_runs, delete_old_runs

KEEP = timedelta(days=90)


@pytest.fixture
def ended(client):
    """A function that creates a finished run."""
    from prefect.states import Completed

    def ended(**options):
        deployment = deployed(client, f"old-{uuid4()}", **options)
        run = run_of(client, deployment)
        begin(client, run)
        client.set_flow_run_state(run.id, Completed())
        return run.id

    return ended


def exists(client, run):
    """Whether the server has a run."""
    from prefect.exceptions import ObjectNotFound

    try:
        client.read_flow_run(run)
    except ObjectNotFound:
        return False
    return True


def test_runs_of_ours_that_ended_long_ago_are_deleted(client, ended):
    """Foreign runs have another tag or flow; a run that has not ended is not old."""
    ours, training = ended(), ended(flow="training")
    tagged, named = ended(flow="report"), ended(tags=())
    waiting = run_of(client, deployed(client, f"old-{uuid4()}")).id
    now = datetime.now(UTC)
    delete_old_runs(client, now=now, keep=KEEP)
    assert all(exists(client, run) for run in (ours, training, tagged, named, waiting))
    later = now + KEEP + timedelta(minutes=1)
    assert delete_old_runs(client, now=later, keep=KEEP) >= 2
    for _ in range(50):  # a page at a time: other tests left runs on this server, too
        if not delete_old_runs(client, now=later, keep=KEEP):
            break
    assert not any(exists(client, run) for run in (ours, training))
    assert all(exists(client, run) for run in (tagged, named, waiting))


def test_idle_runs_of_the_schedule_are_deleted_by_the_next(client):
    """Once all about them has arrived; a triggered run, and one that did something, stay."""
    from prefect.states import Completed

    deployment = deployed(client, f"idle-{uuid4()}")
    missed(client, deployment, days=2)
    now = datetime.now(UTC)
    idle, busy = due(client, deployment, now=now)
    asked, following = run_of(client, deployment), run_of(client, deployment)
    for run, tags in ((idle, [IDLE]), (busy, []), (asked, [IDLE])):
        begin(client, run)
        client.update_flow_run(run.id, tags=[*run.tags, *tags])
        client.set_flow_run_state(run.id, Completed())
    assert delete_idle_runs(client, following, now=now) == 0
    assert delete_idle_runs(client, following, now=now + timedelta(minutes=1)) == 1
    assert not exists(client, idle.id)
    assert all(exists(client, run.id) for run in (busy, asked, following))
