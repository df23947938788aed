"""Serve the scoring flow on cron schedules."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from aedetect.config import Config, read_config
from aedetect.errors import ConfigError, ServerError

DEPLOYMENT = "aedetect"
_HOST = "127.0.0.1"
_START_SECONDS = 90  # the first start of a Prefect server sets its database up


def serve(paths: Sequence[Path], *, tell: Callable[[str], object]) -> None:
    """Serve scoring for each configuration until SIGTERM or SIGINT; runs under way are finished.

    Without a Prefect server in PREFECT_API_URL one is started on this machine, and stopped again.
    Raises ConfigError when a configuration has no schedule, or none that is cron.
    """
    configs = {path.resolve(): read_config(path) for path in paths}
    for path, config in configs.items():
        _check_cron(path, config)
    _ensure_server(tell)
    from prefect.schedules import Cron

    from pipelines.scoring import scoring

    schedules = [
        Cron(str(config.scoring.schedule), parameters={"config_path": str(path)}, slug=config.name)
        for path, config in configs.items()
    ]
    for config in configs.values():
        tell(f'scoring {config.name} on "{config.scoring.schedule}" (UTC), stop with Ctrl+C')
    # One flow served by itself, and not prefect.serve of several: only the former lets runs that
    # are under way finish on SIGTERM. One run at a time; what it missed, the next one scores.
    scoring.serve(name=DEPLOYMENT, schedules=schedules, limit=1, print_starting_message=False)


def _check_cron(path: Path, config: Config) -> None:
    from prefect.server.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    cron = config.scoring.schedule
    if not cron:
        raise ConfigError(
            f"{path} needs a [scoring] schedule to be served, however it has none: give cron, such "
            'as schedule = "15 6 * * *"'
        )
    _ = config.input, config.output  # refuse now what every run would refuse
    try:
        CronSchedule(cron=cron)
    except ValidationError as error:
        raise ConfigError(
            f'[scoring] schedule of {path} must be cron, however: "{cron}"; write for example '
            '"15 6 * * *" for every morning at 06:15'
        ) from error


def _ensure_server(tell: Callable[[str], object]) -> None:
    """See that PREFECT_API_URL is set, starting a server when nobody did."""
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_PORT

    if PREFECT_API_URL.value():
        return
    port = PREFECT_SERVER_API_PORT.value()
    api = f"http://{_HOST}:{port}/api"
    if not _answers(api):
        tell(f"starting a Prefect server on http://{_HOST}:{port}")
        start = ("prefect", "server", "start", "--host", _HOST, "--port", str(port))
        # A group of its own: Ctrl+C stops the runs first, and then us, and then the server.
        server = subprocess.Popen(  # noqa: S603 - the command is written above
            [sys.executable, "-m", *start],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(_stop, server)
        _wait_for(server, api)
    os.environ["PREFECT_API_URL"] = api


def _wait_for(server: subprocess.Popen[bytes], api: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if _answers(api):
            return
        time.sleep(0.5)
    raise ServerError(
        f"no Prefect server came up on {api} within {_START_SECONDS} s: start one with "
        "prefect server start, and set PREFECT_API_URL"
    )


def _answers(api: str) -> bool:
    with suppress(URLError, OSError), urlopen(f"{api}/health", timeout=2) as reply:  # noqa: S310
        return bool(reply.status == 200)  # noqa: PLR2004 - HTTP OK
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(timeout=15)
