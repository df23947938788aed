"""What is served or deployed: for each detector scoring, and training, by the detector's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aedetect.config import Config, read_config
from aedetect.errors import ConfigError
from aedetect.timestamps import parse_duration

SECTIONS = ("scoring", "training")  # what has a schedule; each is the name of a flow, too


@dataclass(frozen=True)
class Deployment:
    """One flow for one detector."""

    flow: str  # scoring or training
    detector: str
    config: Path  # absolute: who runs it may stand elsewhere
    cron: str | None  # UTC; None: only when it is triggered
    keep: timedelta = timedelta(days=90)  # how long its runs are kept where we decide

    @property
    def parameters(self) -> dict[str, Any]:
        """What the flow is called with."""
        return {"config_path": str(self.config)}

    @property
    def entrypoint(self) -> str:
        """Where a worker finds the flow, in the installed package."""
        return f"pipelines.{self.flow}.{self.flow}"


def deployments(paths: Sequence[Path], *, scheduled: bool) -> list[Deployment]:
    """Read configurations, and return what they ask for; scoring first.

    Raises ConfigError for what every run would refuse, for a schedule that is not cron, for two
    detectors of one name, and, if `scheduled`, for a configuration without any schedule.
    """
    configs = {path.resolve(): read_config(path) for path in paths}
    _check_names(configs.values())
    found = []
    for path, config in configs.items():
        crons = {"scoring": config.scoring.schedule, "training": config.training.schedule}
        if scheduled and not any(crons.values()):
            raise ConfigError(
                f"{path} needs a [scoring] schedule or a [training] schedule to be served, but "
                'it has none: give cron, such as schedule = "15 6 * * *"'
            )
        for section, cron in crons.items():
            _check_cron(path, section, cron)
        if crons["scoring"] or not crons["training"]:
            _ = config.input  # refuse now what every run would refuse
        keep = timedelta(microseconds=parse_duration(config.scoring.keep_records) // 1_000)
        for section, cron in crons.items():
            if section == "training" or config.scoring.input:
                found.append(Deployment(section, config.name, path, cron, keep))
        _ = config.output
    return sorted(found, key=lambda each: SECTIONS.index(each.flow))


def _check_names(configs: Iterable[Config]) -> None:
    names = [config.name for config in configs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"detectors that are served together need names of their own, got {twice[0]} "
            "comes twice; change a [detector] name"
        )


def _check_cron(path: Path, section: str, cron: str | None) -> None:
    from prefect.server.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    if cron is None:
        return
    try:
        CronSchedule(cron=cron)
    except ValidationError as error:
        raise ConfigError(
            f'[{section}] schedule of {path} must be cron, got "{cron}"; write for example '
            '"15 6 * * *" for every morning at 06:15'
        ) from error
