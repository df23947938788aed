"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.output.partitions import Span

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file of the detector.")]
ConfigPaths = Annotated[
    list[Path], typer.Argument(metavar="CONFIG...", help="TOML files of detectors.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a key; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Since = Annotated[
    str | None, typer.Option(help="ISO time, in the zone of the data; 7d, yesterday.")
]
Until = Annotated[str | None, typer.Option(help="The end, exclusive; as --since.")]


class Severity(StrEnum):
    """How severe an event is."""

    info = "info"
    warning = "warning"
    critical = "critical"


def load_span(config: Config, since: str | None, until: str | None) -> Span:
    """Return the time range of the options, on the clock of the table. Raises ConfigError."""
    from aedetect.jobs.table_clock import read_span

    return read_span(config, since, until, now=datetime.now(UTC))


def load_config(path: Path, overrides: Sequence[str] = (), *, several: bool = False) -> Config:
    """Read a configuration with secrets from the environment or from Prefect's blocks.

    Raises ConfigError where it makes several detectors ([detector] by), and one is asked for.
    Literal secrets are refused here, before Prefect stores the overrides as parameters of a run.
    """
    from aedetect.config import check_single, read_config
    from aedetect.delivery.senders import check_written
    from pipelines.secret_blocks import secrets

    config = read_config(path, overrides, secrets=secrets())
    check_written(config.notify.listed)
    return config if several else check_single(config)
