"""Serving: scoring on a schedule."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from plant import ARRIVED, DAYS, verdicts

from aedetect.errors import ConfigError
from pipelines.serving import serve

SECONDS = 60  # for the server to come up, and the first moment of the schedule


def test_configuration_without_schedule_is_refused(plant):
    """What is missing and an example are in the message, and no server is started."""
    with pytest.raises(ConfigError, match=r"plant\.toml needs a \[scoring\] schedule"):
        serve([plant.written()], tell=print)


@pytest.mark.parametrize("cron", ["daily", "15 6", "61 * * * *", "@sometimes"])
def test_schedule_that_is_not_cron_is_refused(plant, cron):
    """The schedule is quoted, and an example given."""
    with pytest.raises(ConfigError, match=r"must be cron, however: .*15 6 \* \* \*"):
        serve([plant.written(schedule=cron)], tell=print)


def test_configuration_without_input_is_refused(plant):
    """What every run would refuse is refused before anything is served."""
    path = plant.written(schedule="15 6 * * *")
    path.write_text(path.read_text().replace('input = "incoming"', ""))
    with pytest.raises(ConfigError, match=r"\[scoring\] input is needed"):
        serve([path], tell=print)


def test_one_of_several_is_named(plant):
    """Each configuration is checked before any is served."""
    good = plant.written(schedule="15 6 * * *")
    bad = good.with_name("bad.toml")
    bad.write_text(good.read_text().replace("15 6 * * *", "soon"))
    with pytest.raises(ConfigError, match=r"bad\.toml must be cron"):
        serve([good, bad], tell=print)


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_schedule_scores_and_ends_on_sigterm(plant, tmp_path):
    """A served detector scores when its time comes, and stops with exit code 0 when told to."""
    command = [sys.executable, "-m", "aedetect", "schedule"]
    own = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_API_PORT": str(free_port()),
    }
    # The last of six is seconds.
    path = plant.written(schedule="* * * * * */10")
    inherited = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    with (tmp_path / "log").open("w") as log:
        served = subprocess.Popen(
            [*command, str(path)], env=inherited | own, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            last = plant.output / "scores" / f"date={DAYS[-1]}" / "part-0.parquet"
            deadline = time.monotonic() + SECONDS
            while not last.exists() and time.monotonic() < deadline and served.poll() is None:
                time.sleep(0.2)
            served.send_signal(signal.SIGTERM)
            assert served.wait(timeout=SECONDS) == 0, (tmp_path / "log").read_text()
        finally:
            served.kill()
    assert len(verdicts(plant.output)) == ARRIVED
    said = (tmp_path / "log").read_text().splitlines()
    assert said[0].startswith("starting a Prefect server")
    assert said[1].startswith('scoring plant on "* * * * * */10" (UTC)')
    assert not [line for line in said if "CancelledError" in line or "astop" in line]
