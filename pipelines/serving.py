"""Serve the scoring flow on cron schedules."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from aedetect.config import Config, read_config
from aedetect.errors import ConfigError
from pipelines.server import HOST, start

DEPLOYMENT = "aedetect"


def serve(paths: Sequence[Path], *, tell: Callable[[str], object]) -> None:
    """Serve scoring for each configuration until SIGTERM or SIGINT; runs under way are finished.

    Without a Prefect server in PREFECT_API_URL one is started on this machine, and stopped again.
    Raises ConfigError when a configuration has no schedule, or none that is cron.
    """
    configs = {path.resolve(): read_config(path) for path in paths}
    for path, config in configs.items():
        _check_cron(path, config)
    from prefect.settings import PREFECT_SERVER_API_PORT

    port = PREFECT_SERVER_API_PORT.value()  # 4200, unless told otherwise
    server = start(port=port, services=True)
    if server is not None:
        tell(f"starting a Prefect server, to be seen on http://{HOST}:{port}")
        server.wait()
    from prefect.schedules import Cron

    from pipelines.scoring import scoring

    schedules = [
        Cron(str(config.scoring.schedule), parameters={"config_path": str(path)}, slug=config.name)
        for path, config in configs.items()
    ]
    for config in configs.values():
        tell(f'scoring {config.name} on "{config.scoring.schedule}" (UTC), stop with Ctrl+C')
    # What Prefect 3.8 leaves behind when SIGTERM ends it: a coroutine, and a cancelled reader.
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop'", RuntimeWarning)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
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
