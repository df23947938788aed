"""The command figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aedetect.cli.options import ConfigPath, Overrides


def figures(
    config: ConfigPath,
    overrides: Overrides = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder; default: figures beside the configuration.")
    ] = None,
) -> None:
    """Draw figures about autoencoders, from small networks trained on the training data."""
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress
    from aedetect.cli.show import console, relative_location
    from aedetect.jobs.figures import draw_figures

    settings = load_config(config, overrides or [])
    with progress(f"figures of {settings.name}"):
        written = draw_figures(settings, to=to or settings.folder / "figures")
    for path in written:
        console().print(relative_location(str(path)), highlight=False, soft_wrap=True)
