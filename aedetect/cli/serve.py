"""The commands schedule, deploy and trigger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from aedetect.cli.options import Since, Until

Configs = Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="TOML files.")]


def schedule(configs: Configs) -> None:
    """Serve scoring and training on the cron schedules of each configuration, until stopped."""
    from aedetect.cli.prefect_api import use_api
    from pipelines.serving import serve

    serve(configs, report=typer.echo, use=use_api)


def deploy(
    configs: Configs,
    pool: Annotated[str, typer.Option(metavar="NAME", help="Work pool to deploy to.")],
    to: Annotated[
        Path | None, typer.Option(help="File to write; default: prefect.yaml beside CONFIG.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Also deploy it now.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that this command did not write.")
    ] = False,
) -> None:
    """Write a prefect.yaml that deploys scoring and training to a work pool."""
    from pipelines.prefect_yaml import apply_manifest, write_manifest

    path = to or configs[0].resolve().parent / "prefect.yaml"
    names = write_manifest(configs, path, pool=pool, force=force)
    typer.echo(f"{path} deploys {', '.join(names)} to the work pool {pool}")
    if apply:
        apply_manifest(path)
        typer.echo("deployed")
    else:
        typer.echo(f"to deploy: prefect --no-prompt deploy --all --prefect-file {path}")


def trigger(
    name: Annotated[str, typer.Argument(help="Name of a served or deployed detector.")],
    since: Since = None,
    until: Until = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also score what another model scored.")
    ] = False,
    training: Annotated[bool, typer.Option("--training", help="Train instead of scoring.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; exit code 1 unless completed.")
    ] = False,
) -> None:
    """Start a run of a served or deployed detector."""
    from aedetect.wall_clock import WallClock
    from pipelines.triggering import await_end, start_run

    bounds = {"since": since, "until": until}
    parameters: dict[str, object] = {key: text for key, text in bounds.items() if text}
    for text in bounds.values():
        _ = text and WallClock().parse(text, now=datetime.now(UTC))  # refused before the run is
    if everything or parameters:
        parameters["rescore"] = True
    if training and parameters:
        raise typer.BadParameter("--training takes none of --since, --until and --all")
    run = start_run(name, flow="training" if training else "scoring", parameters=parameters)
    typer.echo(f"started {run.name}: {run.url}")
    if wait:
        typer.echo(await_end(run))
