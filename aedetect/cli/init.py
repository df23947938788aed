"""The command init."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def init(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Files or a folder: Parquet, CSV, CSV.gz, JSON lines, or a zip of them.",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="Configuration to write; default: named after the data.")
    ] = None,
    timestamp: Annotated[str | None, typer.Option(help="Column of the timestamps.")] = None,
    entity: Annotated[str | None, typer.Option(help="Column of machine, sensor, service.")] = None,
    label: Annotated[str | None, typer.Option(help="Column that marks known anomalies.")] = None,
    dates: Annotated[
        Literal["day-first", "month-first"] | None,
        typer.Option(help="What comes first in dates such as 03/04/2026, if not found otherwise."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a configuration and its converted data.")
    ] = False,
    data_only: Annotated[
        bool,
        typer.Option("--data-only", help="Convert DATA again; the configuration stays as it is."),
    ] = False,
) -> None:
    """Look at data and write a commented configuration; CSV and JSON become Parquet on the way."""
    from aedetect.cli.progress import progress
    from aedetect.cli.show_init import print_initialised
    from aedetect.onboarding import InitRequest, initialise
    from aedetect.onboarding.initialisation import default_config
    from aedetect.output.scratch import temporary_folder

    target = to or default_config(data)
    asked = InitRequest(
        to=target,
        timestamp=timestamp,
        entity=entity,
        label=label,
        dates=dates,
        force=force or (not data_only and _may_replace(target)),
        data_only=data_only,
    )
    with temporary_folder() as scratch:
        with progress("looking at the data", said=("note",)):
            done = initialise(data, asked, scratch)
        print_initialised(done, data_only=data_only)


def _may_replace(config: Path) -> bool:
    """Ask on a terminal whether an existing configuration may be replaced."""
    if not config.exists() or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return typer.confirm(f"{config} exists: write over it?", default=False)
