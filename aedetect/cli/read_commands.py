"""The commands check, flags and runs."""

from __future__ import annotations

from typing import Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Severity, Since, Until
from aedetect.quick_start import forgo_pandas


def check(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check configuration and data: what train and score will take, treat specially or refuse."""
    forgo_pandas()
    from aedetect.cli.check_values import check_values_with_progress
    from aedetect.cli.next_step import print_after_check
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress
    from aedetect.cli.show import print_json
    from aedetect.cli.show_check import print_check
    from aedetect.jobs.check import check_data
    from aedetect.output.scratch import temporary_folder

    settings = load_config(config, overrides or [], several=True)
    if settings.detector.by is not None:
        check_values_with_progress(config, settings, as_json=as_json)
        return
    with (
        temporary_folder() as scratch,
        progress(f"reading the data of {settings.name}", said=("note",)),  # they are findings
    ):
        checked = check_data(settings, scratch)
    if as_json:
        print_json(checked)
    else:
        print_check(checked)
        print_after_check(config, checked)
    if checked.grade == "refuse":
        raise typer.Exit(1)


def flags(
    config: ConfigPath,
    overrides: Overrides = None,
    since: Since = None,
    until: Until = None,
    days: Annotated[
        float | None, typer.Option(help="Only of the last days, by the newest event.", min=0)
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="Only of this entity, or a pattern such as pump_*.")
    ] = None,
    severity: Annotated[
        Severity | None, typer.Option(help="Only this severe or more.", case_sensitive=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="How many events to show.", min=1)] = 20,
    suppressed: Annotated[bool, typer.Option(help="Also show suppressed events.")] = False,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="Show events that were written and no longer exist.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the events that flagged rows form, the most anomalous first."""
    forgo_pandas()
    from aedetect.cli.next_step import print_about
    from aedetect.cli.options import load_config, load_span
    from aedetect.cli.show import print_json
    from aedetect.cli.show_events import first_reported, print_events, print_withdrawn
    from aedetect.events.selection import Wanted
    from aedetect.events.table import as_events
    from aedetect.jobs.table_clock import shown_clock
    from aedetect.jobs.value_outputs import outputs_of, read_all_events, read_all_withdrawn

    settings = load_config(config, overrides or [], several=True)
    asked = load_span(settings, since, until)
    wanted = Wanted(days=days, entity=entity, severity=severity and severity.value)
    zone = shown_clock(outputs_of(settings)[-1]).zone
    if withdrawn:
        gone = read_all_withdrawn(settings, asked)
        gone = None if gone is None else wanted.of(gone)
        if as_json:
            print_json(list(as_events(gone.slice(0, limit), zone)) if gone is not None else [])
        else:
            print_withdrawn(gone, limit=limit, zone=zone)
        return
    events = wanted.of(read_all_events(settings, asked, suppressed=suppressed or not as_json))
    if as_json:
        print_json(list(as_events(events.slice(0, limit), zone)))
    else:
        print_events(events, limit=limit, suppressed=suppressed, zone=zone)
        print_about(config, first_reported(events))


def runs(
    config: ConfigPath,
    overrides: Overrides = None,
    limit: Annotated[int, typer.Option(help="How many runs to show.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the last scoring runs with their problems, the newest first."""
    forgo_pandas()
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.cli.show_runs import print_runs
    from aedetect.jobs.table_clock import shown_clock
    from aedetect.jobs.value_outputs import read_all_runs
    from aedetect.wall_clock import load_zone

    settings = load_config(config, overrides or [], several=True)
    zone = load_zone(shown_clock(settings).zone or "UTC")
    listed = read_all_runs(settings, limit=limit)
    listed = [run | {"started": run["started"].astimezone(zone)} for run in listed]
    if as_json:
        print_json(listed)
    else:
        print_runs(listed)
