"""Flow runs of long ago: ours are deleted where the server is ours, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from runs import begin, deployed, run_of

from pipelines.old_runs import delete_old_runs

KEEP = timedelta(days=90)


@pytest.fixture
def ended(client):
    """Give what makes a run that has ended now."""
    from prefect.states import Completed

    def ended(**options):
        deployment = deployed(client, f"old-{uuid4()}", **options)
        run = run_of(client, deployment)
        begin(client, run)
        client.set_flow_run_state(run.id, Completed())
        return run.id

    return ended


def exists(client, run):
    """Whether the server knows a run."""
    from prefect.exceptions import ObjectNotFound

    try:
        client.read_flow_run(run)
    except ObjectNotFound:
        return False
    return True


def test_runs_of_ours_that_ended_long_ago_are_deleted(client, ended):
    """Others have another tag, or another flow; what has not ended is not old."""
    ours, training = ended(), ended(flow="training")
    tagged, named = ended(flow="report"), ended(tags=())
    waiting = run_of(client, deployed(client, f"old-{uuid4()}")).id
    now = datetime.now(UTC)
    delete_old_runs(client, now=now, keep=KEEP)
    assert all(exists(client, run) for run in (ours, training, tagged, named, waiting))
    assert delete_old_runs(client, now=now + KEEP + timedelta(minutes=1), keep=KEEP) >= 2
    assert not any(exists(client, run) for run in (ours, training))
    assert all(exists(client, run) for run in (tagged, named, waiting))
