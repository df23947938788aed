"""Starting a run of a served or deployed detector."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from prefect.states import Crashed
from runs import AWAY, GONE, begin, deployed
from runs import under_way as begun

from aedetect.errors import RunFailed, ServerError, UnknownDeployment
from pipelines.lost_runs import under_way
from pipelines.triggering import Run, await_end, start_run


def test_run_gets_the_parameters(client):
    """Those given, beside those of the deployment."""
    deployed(client, "asked-for")
    asked = {"since": "2026-01-01", "rescore": True}
    run = start_run("asked-for", flow="scoring", parameters=asked)
    known = client.read_flow_run(run.id)
    assert known.parameters == {"config_path": "asked-for.toml", **asked}
    assert (known.name, known.state.name) == (run.name, "Scheduled")
    assert run.url.endswith(f"/runs/flow-run/{run.id}")
    assert "/api/" not in run.url


def test_unknown_name_lists_the_known_ones(client):
    """With a suggestion; deployments of other projects are not listed."""
    deployed(client, "pump-7")
    deployed(client, "pump-theirs", tags=())
    with pytest.raises(
        UnknownDeployment, match=r'did you mean "pump-7".*there are .*pump-7'
    ) as why:
        start_run("pump7", flow="scoring", parameters={})
    assert "pump-theirs" not in str(why.value)


def test_training_has_separate_deployments(client):
    """A detector that is only scored cannot be trained by name."""
    deployed(client, "scored-only")
    with pytest.raises(UnknownDeployment, match=r'no detector "scored-only" .* for training'):
        start_run("scored-only", flow="training", parameters={})


def test_parameter_that_the_flow_refuses_is_a_server_error(client):
    """The message of the server is passed on."""
    deployment = deployed(client, "strict")
    schema = {"type": "object", "properties": {"rescore": {"type": "boolean"}}}
    client.request(
        "PATCH",
        f"/deployments/{deployment}",
        json={"enforce_parameter_schema": True, "parameter_openapi_schema": schema},
    )
    with pytest.raises(ServerError, match="did not take the run: "):
        start_run("strict", flow="scoring", parameters={"rescore": "perhaps"})


def test_error_without_a_server_names_the_remedy(prefect):
    """Neither the settings nor the default port lead to one."""
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_PORT, temporary_settings

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        no_server = {PREFECT_API_URL: None, PREFECT_SERVER_API_PORT: taken.getsockname()[1]}
        with (
            temporary_settings(updates=no_server),
            pytest.raises(ServerError, match="start `aedetect schedule`"),
        ):
            start_run("pump", flow="scoring", parameters={})


@pytest.mark.parametrize("ending", ["Completed", "Failed"])
def test_waiting_ends_with_the_run(client, ending):
    """A completed run is reported; any other is an error with the reason."""
    from prefect import states

    deployed(client, f"ends-{ending}")
    run = start_run(f"ends-{ending}", flow="scoring", parameters={})
    begin(client, run)
    state = getattr(states, ending)(message="for a reason")
    threading.Timer(0.2, lambda: client.set_flow_run_state(run.id, state)).start()
    begun = time.monotonic()
    if ending == "Completed":
        assert await_end(run) == f"{run.name}: Completed (for a reason)"
    else:
        with pytest.raises(RunFailed, match=rf"{run.name}: Failed \(for a reason\)"):
            await_end(run)
    assert time.monotonic() - begun < 10


def test_waiting_without_a_runner_ends(client):
    """Without `aedetect schedule` or a worker there is an error after a while."""
    deployed(client, "forgotten")
    for left in under_way(client):  # from earlier tests
        client.set_flow_run_state(left.id, Crashed(), force=True)
    run = start_run("forgotten", flow="scoring", parameters={})
    with pytest.raises(RunFailed, match="start `aedetect schedule` or a worker; the run: http"):
        await_end(run, most_idle=2)


def test_waiting_ends_with_the_process_of_the_run(client):
    """SIGKILL leaves it RUNNING; waiting also checks the process."""
    _, run = begun(client, process=GONE)
    with pytest.raises(RunFailed, match=r"Crashed .*ended without a word"):
        await_end(Run(run.id, run.name, "http"), most_idle=2)


def test_waiting_continues_while_other_runs_are_active(client):
    """It may wait for its slot for longer than the idle limit."""
    from prefect.states import Completed

    begun(client, process=AWAY)
    deployed(client, "behind-others")
    run = start_run("behind-others", flow="scoring", parameters={})
    threading.Timer(4, lambda: client.set_flow_run_state(run.id, Completed(), force=True)).start()
    assert await_end(run, most_idle=1).endswith("Completed")


def test_waiting_ends_when_the_run_is_deleted(client):
    """There is nothing left to wait for."""
    deployed(client, "deleted-meanwhile")
    run = start_run("deleted-meanwhile", flow="scoring", parameters={})
    client.delete_flow_run(run.id)
    with pytest.raises(RunFailed, match="was deleted before it ended"):
        await_end(run)


def test_a_run_that_is_asked_for_once_is_started_once(client):
    """Another request with the same key gives the run that there is; another key another one."""
    deployed(client, "drifted")
    runs = [
        start_run("drifted", flow="scoring", parameters={}, once=key).id
        for key in ("monday", "monday", "tuesday")
    ]
    assert runs[0] == runs[1] != runs[2]
