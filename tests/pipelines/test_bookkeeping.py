"""The first steps of every run."""

from __future__ import annotations

import pytest
from runs import deployed, missed, run_of, states

from pipelines.bookkeeping import guarded
from pipelines.lost_runs import end_lost_runs
from pipelines.process_identity import from_labels, this_process


@pytest.fixture
def flow(prefect):
    """A flow with only the steps that every flow starts with."""
    from prefect import flow

    @flow(name="scoring", persist_result=False)
    @guarded
    def scoring(config_path: str, *, rescore: bool = False) -> str:
        """Return the arguments."""
        return f"{config_path} {rescore}"

    return scoring


def test_function_keeps_its_signature(flow):
    """Prefect sees the parameters; without Prefect it is a plain function."""
    assert set(flow.parameters.properties) == {"config_path", "rescore"}
    assert flow.fn("a.toml", rescore=True) == "a.toml True"


def test_run_does_the_work_of_the_missed_ones(client, flow):
    """It records its process, does the work, and skips the other due runs."""
    from prefect.flow_engine import run_flow

    deployment = deployed(client, "behind")
    missed(client, deployment, days=3)
    run = run_of(client, deployment)
    assert run_flow(flow, flow_run=run, parameters=run.parameters) == "behind.toml False"
    assert from_labels(client.read_flow_run(run.id).labels) == this_process()
    done, *others = states(client, deployment)
    assert done[0] == "Completed"
    due_at = f"{run.expected_start_time:%Y-%m-%d %H:%M:%S}"
    said = f"the run that was due at {due_at} UTC does the work of this run too"
    assert others == [("Skipped", said)] * 3


def test_client_of_the_run_is_closed(client, flow, monkeypatch):
    """A flow that runs for hours does not keep the connection of its first second."""
    import prefect

    given = []
    get_client = prefect.get_client
    monkeypatch.setattr(
        prefect, "get_client", lambda **how: given.append(get_client(**how)) or given[-1]
    )
    assert flow("closed.toml") == "closed.toml False"
    assert [each._client.is_closed for each in given] == [True]  # noqa: SLF001


def test_run_without_deployment_ends_lost_runs_too(client, flow):
    """`aedetect score` ends runs that were killed before it."""
    from runs import GONE, under_way

    _, lost = under_way(client, process=GONE)
    assert flow("direct.toml") == "direct.toml False"
    assert client.read_flow_run(lost.id).state.name == "Crashed"


def test_second_check_changes_nothing(client):
    """Ended runs keep their state."""
    from datetime import UTC, datetime

    end_lost_runs(client, now=datetime.now(UTC))
    assert end_lost_runs(client, now=datetime.now(UTC)) == []
