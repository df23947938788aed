"""The commands train and score."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from aedetect.cli.options import AsJson, ConfigPath, ConfigPaths, Overrides, Since, Until
from aedetect.cli.prefect_api import prefect_server
from aedetect.quick_start import unsearched

if TYPE_CHECKING:
    from aedetect.cli.elsewhere import Asked
    from aedetect.config import Config
    from aedetect.registry import Registered
    from aedetect.scoring import Summary

SHOWN = 5  # events after scoring; `flags` shows more


def train_command(
    configs: ConfigPaths, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Train on normal data, calibrate the threshold, register the next version of the detector."""
    from aedetect.cli.options import load_config

    listed = [load_config(each, overrides or [], several=True) for each in configs]
    if len(configs) > 1 or listed[0].detector.by is not None:
        from aedetect.cli.many import train_with_progress

        train_with_progress(configs, overrides or [], listed, as_json=as_json)
        return
    run_training_flow(configs[0], overrides or [], settings=listed[0], as_json=as_json)


def score_command(
    config: ConfigPath,
    overrides: Overrides = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also score what another model scored.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also score what is up to date.")] = False,
    reflag: Annotated[
        bool, typer.Option("--reflag", help="Apply the newest threshold to existing scores.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Score with NAME/VERSION instead; needs --to.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write to this folder instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score new and changed input; with --since, --until, --all also what another model scored."""
    from aedetect.cli.elsewhere import elsewhere
    from aedetect.cli.options import load_config
    from aedetect.cli.scoring_run import run_scoring_flow
    from aedetect.cli.show import print_json

    if reflag:
        if everything or force or model is not None or to is not None:
            raise typer.BadParameter("--reflag takes none of --all, --force, --model and --to")
        reflag_with_progress(config, overrides or [], since=since, until=until, as_json=as_json)
        return
    settings = load_config(config, overrides or [], several=model is None and to is None)
    if settings.detector.by is not None:
        from aedetect.cli.many import score_with_progress

        score_with_progress(
            config,
            overrides or [],
            settings,
            as_json=as_json,
            since=since,
            until=until,
            rescore=everything or since is not None or until is not None,
            force=force,
        )
        return
    asked = elsewhere(settings, model=model, to=to)
    summary = run_scoring_flow(
        config,
        [*(overrides or []), *asked.overrides],
        settings=asked.settings,
        model=asked.model,
        since=since,
        until=until,
        rescore=everything or since is not None or until is not None,
        force=force,
        what_if=bool(asked.overrides) and asked.settings.output != settings.output,
    )
    if as_json:
        print_json(summary)
        return
    _print_scored(config, asked, summary)


def _print_scored(config: Path, asked: Asked, summary: Summary) -> None:
    """Show the summary of a run and its first events."""
    from aedetect.cli.next_step import print_after_scoring
    from aedetect.cli.show_events import first_reported, print_events
    from aedetect.cli.show_runs import print_summary
    from aedetect.events import read_event_table
    from aedetect.jobs.table_clock import shown_clock

    print_summary(summary)
    first = None
    if summary.flagged and summary.since is not None:
        clock = shown_clock(asked.settings)
        since_then = clock.parse(summary.since)
        found = read_event_table(asked.settings.output, since=since_then, suppressed=True)
        print_events(found, limit=SHOWN, zone=clock.zone)
        first = first_reported(found)
    if not asked.overrides:  # else the configuration does not name the output
        print_after_scoring(config, summary, first=first)


def run_training_flow(
    config: Path, overrides: list[str], *, settings: Config, as_json: bool = False
) -> None:
    """Run the training flow, with settings read from file and overrides, and show the result."""
    from aedetect.cli.calibrate import print_promise
    from aedetect.cli.next_step import print_after_training
    from aedetect.cli.progress import progress, step
    from aedetect.cli.show import print_json, print_trained
    from aedetect.cli.show_suspect_rows import print_suspect_rows

    with progress(f"training {settings.name}"), prefect_server() as ready:
        with unsearched():
            from aedetect.registry import list_versions
            from pipelines.handoff import Prepared, passing_on
            from pipelines.training import training

        # Fail now, not after training, if the registry does not answer.
        step("asking the registry")
        list_versions(name=settings.name, tracking_uri=settings.tracking_uri)
        step("starting Prefect")
        ready()
        given = Prepared(config_path=str(config), overrides=tuple(overrides), config=settings)
        with passing_on(given):
            trained = cast("Registered", training(str(config), overrides))
    if as_json:
        print_json(trained)
        return
    print_trained(settings, trained)
    print_promise(settings, trained)
    print_suspect_rows(settings, trained)
    print_after_training(config, settings, trained)


def reflag_with_progress(
    config: Path, overrides: list[str], *, since: str | None, until: str | None, as_json: bool
) -> None:
    """Apply the newest threshold to history, from the scores alone, and show the changes."""
    from aedetect.cli.calibrate import print_reflagged
    from aedetect.cli.options import load_config, load_span
    from aedetect.cli.progress import progress
    from aedetect.cli.show import print_json
    from aedetect.jobs import reflagging

    settings = load_config(config, overrides)
    span = load_span(settings, since, until)
    with progress(f"re-evaluating with {settings.model_reference}"):
        done = reflagging.run_reflagging(
            settings, span=span, config_path=str(config), clock=lambda: datetime.now(UTC)
        )
    if as_json:
        print_json(done)
    else:
        print_reflagged(done, renewed=settings.renew is not None)
