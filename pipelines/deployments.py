"""The flows to serve or deploy: scoring and training of each detector, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from aedetect.config import Config, read_config
from aedetect.errors import ConfigError
from aedetect.jobs.table_clock import shown_clock
from aedetect.timestamps import parse_duration
from aedetect.wall_clock import UTC_NAME
from aedetect.wording import markdown_code, markdown_text

SECTIONS = ("scoring", "training")  # sections with a schedule; also the names of the flows


@dataclass(frozen=True)
class Deployment:
    """One flow of one detector."""

    flow: str  # scoring or training
    detector: str
    config: Path  # absolute: the worker may have another working folder
    cron: str | None  # None: only when triggered
    timezone: str = "UTC"  # of the cron
    keep: timedelta = timedelta(days=90)  # how long its runs are kept on a server of our own

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the flow."""
        return {"config_path": str(self.config)}

    @property
    def description(self) -> str:
        """What Prefect shows of the deployment, as markdown."""
        what = {"scoring": "Scores new rows", "training": "Trains the next version"}[self.flow]
        when = (
            f"on {markdown_code(self.cron)} ({self.timezone})"
            if self.cron
            else "when it is triggered"
        )
        config = markdown_code(str(self.config))
        return f"{what} of {markdown_text(self.detector)} {when}, as {config} says."

    @property
    def entrypoint(self) -> str:
        """The entrypoint of the flow, in the installed package."""
        return f"pipelines.{self.flow}.{self.flow}"


def deployments(paths: Sequence[Path], *, scheduled: bool) -> list[Deployment]:
    """Return the deployments of configurations, scoring first.

    Raises ConfigError for errors that every run would raise, for a schedule that is not cron, for
    two detectors of the same name, and, if `scheduled`, for a configuration without a schedule.
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
            _ = config.input  # raise now what every run would raise
        zone = _cron_zone(config)
        keep = timedelta(microseconds=parse_duration(config.scoring.keep_records) // 1_000)
        for section, cron in crons.items():
            if section == "training" or config.scoring.input:
                found.append(Deployment(section, config.name, path, cron, zone, keep))
        _ = config.output
    return sorted(found, key=lambda each: SECTIONS.index(each.flow))


def _cron_zone(config: Config) -> str:
    """Return the zone of the schedules: that of the table, UTC if it has none, or an offset."""
    zone = shown_clock(config).zone or UTC_NAME
    return zone if zone in available_timezones() else UTC_NAME


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
