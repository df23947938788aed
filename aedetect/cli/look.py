"""Commands that read: check, models, flags, runs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Since, Until


def check(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check configuration and data without training: a report per column and entity."""
    from aedetect.cli.options import read_config
    from aedetect.cli.show import print_json, print_quality
    from aedetect.learning import ingest
    from aedetect.quality import assess, assess_input

    settings = read_config(config, overrides or [])
    with tempfile.TemporaryDirectory(prefix="aedetect-") as scratch:
        ingested = ingest(settings, Path(scratch))
        report = assess(ingested, length=settings.window.length)
    scored = assess_input(settings, ingested.schema) if settings.scoring.input else None
    if as_json:
        print_json({"train": report, "input": scored})
    else:
        print_quality(report, scored)


def models(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """List the registered versions of the detector, newest first."""
    from aedetect import registry
    from aedetect.cli.options import read_config
    from aedetect.cli.show import print_json, print_models

    settings = read_config(config, overrides or [])
    versions = registry.versions(name=settings.name, tracking_uri=settings.tracking_uri)
    if as_json:
        print_json(versions)
    else:
        print_models(settings.name, versions)


def flags(
    config: ConfigPath,
    overrides: Overrides = None,
    since: Since = None,
    until: Until = None,
    most: Annotated[int, typer.Option(help="How many stretches to show.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was flagged, grouped into stretches, the strangest first."""
    from aedetect.cli.options import read_config
    from aedetect.cli.show import print_events, print_json
    from aedetect.durations import parse_instant
    from aedetect.events import group, read_flagged

    settings = read_config(config, overrides or [])
    flagged = read_flagged(
        settings.output,
        since=parse_instant(since) if since else None,
        until=parse_instant(until) if until else None,
    )
    events = group(flagged)
    if as_json:
        print_json(events[:most])
    else:
        print_events(events, rows=flagged.rows.num_rows, most=most)


def runs(
    config: ConfigPath,
    overrides: Overrides = None,
    most: Annotated[int, typer.Option(help="How many runs to show.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the last scoring runs, the newest first, with what was wrong."""
    from aedetect.cli.options import read_config
    from aedetect.cli.show import print_json
    from aedetect.cli.show_runs import print_runs
    from aedetect.runs import read_runs

    listed = read_runs(read_config(config, overrides or []).output, most=most)
    if as_json:
        print_json(listed)
    else:
        print_runs(listed)
