"""The commands config and doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, Overrides

if TYPE_CHECKING:
    from aedetect.jobs.installation import Condition

OptionalConfig = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="TOML file of the detector.")
]


def config_command(
    config: OptionalConfig = None,
    overrides: Overrides = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema instead, for editors.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print every setting as it is used, with defaults and places; or the schema of the file."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.config.reading import read_given
    from aedetect.config.schema import config_schema, settings_text
    from aedetect.secrets import mask

    if schema:
        print_json(config_schema())
        return
    if config is None:
        raise typer.BadParameter("name a CONFIG, or ask for --schema")
    settings = load_config(config, overrides or [], several=True)
    if as_json:
        sections = {
            name: value
            for name, value in vars(settings).items()
            if name not in {"folder", "secrets", "whole", "registry", "database", "notify"}
        }
        print_json(sections | {"registry": {"tracking_uri": mask(settings.registry.tracking_uri)}})
    else:
        typer.echo(settings_text(settings, read_given(config, overrides or [])))


def doctor(config: OptionalConfig = None, as_json: AsJson = False) -> None:
    """Check the installation: versions, space, Prefect; with CONFIG its data and registry too."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json, relative_location, table_of
    from aedetect.jobs.installation import check_installation, check_references, worst_of

    found = [*check_installation(), _prefect()]
    if config is not None:
        found += check_references(load_config(config, several=True))
    grade = worst_of(found)
    if as_json:
        print_json({"grade": grade, "findings": found})
    else:
        table = table_of("grade", "what", "finding")
        for each in found:
            table.add_row(each.grade, each.subject, relative_location(each.text))
        console().print(table)
    if grade == "refuse":
        raise typer.Exit(1)


def _prefect() -> Condition:
    """Return whether a Prefect server answers, where one is named."""
    import os

    from aedetect.jobs.installation import Condition
    from aedetect.secrets import mask
    from pipelines.server import answers

    api = os.environ.get("PREFECT_API_URL")
    if not api:
        text = "no server is named (PREFECT_API_URL): each command starts one of its own"
        return Condition("ok", "Prefect server", text)
    if answers(api):
        return Condition("ok", "Prefect server", f"{mask(api)} answers")
    text = f"{mask(api)} does not answer: start it, or unset PREFECT_API_URL"
    return Condition("refuse", "Prefect server", text)
