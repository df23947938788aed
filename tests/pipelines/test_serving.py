"""Serving: scoring and training on schedules."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from plant import ARRIVED, DAYS, verdicts
from runs import EAGER, SECONDS, free_port, wait_for

from aedetect.errors import ConfigError
from pipelines.serving import serve
from pipelines.triggering import await_end, start_run


def test_configuration_without_schedule_is_refused(plant):
    """The message has an example, and no server is started."""
    with pytest.raises(ConfigError, match=r"plant\.toml needs a \[scoring\] schedule"):
        serve([plant.written()], report=print, use=print)


def test_schedule_scores_and_ends_on_sigterm(plant, tmp_path):
    """A served detector scores on schedule, and stops with exit code 0 on SIGTERM."""
    command = [sys.executable, "-m", "aedetect", "schedule"]
    own = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_API_PORT": str(free_port()),
        **EAGER,
    }
    # The sixth field is seconds.
    path = plant.written(schedule="* * * * * */10")
    path.write_text(path.read_text().replace("[training]", '[training]\nschedule = "0 3 1 1 *"'))
    inherited = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    with (tmp_path / "log").open("w") as log:
        served = subprocess.Popen(
            [*command, str(path)], env=inherited | own, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            last = plant.output / "scores" / f"date={DAYS[-1]}" / "part-0.parquet"
            wait_for(last.exists, served)
            served.send_signal(signal.SIGTERM)
            assert served.wait(timeout=SECONDS) == 0, (tmp_path / "log").read_text()
        finally:
            served.kill()
    assert len(verdicts(plant.output)) == ARRIVED
    said = (tmp_path / "log").read_text().splitlines()
    assert said[0].startswith("starting a Prefect server")
    assert said[1].startswith('scoring plant on "* * * * * */10" (UTC)')
    assert said[2].startswith('training plant on "0 3 1 1 *" (UTC)')
    assert not [line for line in said if "CancelledError" in line or "astop" in line]


def test_killed_schedule_resumes(client, plant, tmp_path):
    """After SIGKILL of server and run, Prefect sees the run end, and the next does its work."""
    path = plant.written(schedule="0 3 1 1 *", partition="hour")
    command = [sys.executable, "-m", "aedetect", "schedule", str(path)]

    def is_served():
        known = [each.parameters.get("config_path") for each in client.read_deployments()]
        return known.count(str(path)) == 2

    def is_ended():
        return client.read_flow_run(lost.id).state.is_final()

    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(
            command, env=os.environ | EAGER, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(is_served, first)
            lost = start_run("plant", flow="scoring", parameters={})
            wait_for((plant.output / "scores").exists, first)
        finally:
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
        assert client.read_flow_run(lost.id).state.name == "Running"
        second = subprocess.Popen(command, env=os.environ | EAGER, stdout=log, stderr=log)
        try:
            wait_for(is_ended, second)
            again = start_run("plant", flow="scoring", parameters={})
            assert "Completed" in await_end(again)
        finally:
            second.terminate()
            second.wait(timeout=SECONDS)
    assert client.read_flow_run(lost.id).state.name == "Crashed"
    for flow in ("scoring", "training"):  # one run of each at a time, on all machines
        served = client.read_deployment_by_name(f"{flow}/plant")
        assert served.global_concurrency_limit.limit == 1
        assert served.concurrency_options.collision_strategy == "ENQUEUE"
        assert str(path) in served.description
    assert len(verdicts(plant.output)) == ARRIVED
