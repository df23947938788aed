"""The command report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Since, Until


def report(
    config: ConfigPath,
    overrides: Overrides = None,
    since: Since = None,
    until: Until = None,
    to: Annotated[
        Path | None,
        typer.Option(help="HTML file; default: report.html in [report] to, or beside CONFIG."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one page: what was found when and where, beside the promise, as one HTML file."""
    from aedetect.cli.options import load_config, load_span
    from aedetect.cli.show import console, print_json, relative_location
    from aedetect.jobs.report import PAGE, page_path, write_report

    settings = load_config(config, overrides or [])
    written = write_report(
        settings,
        config_path=str(config),
        to=to or page_path(settings) or settings.folder / PAGE,
        span=load_span(settings, since, until),
        now=datetime.now(UTC),
    )
    if as_json:
        print_json(written)
        return
    out = console()
    out.print(written.sentence, soft_wrap=True)
    place = relative_location(str(written.path.resolve()))
    out.print(
        f"page in {place} ({written.size / 1e6:.1f} MB): open it in a browser", soft_wrap=True
    )
