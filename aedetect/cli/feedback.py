"""The commands label and backtest."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Since, Until

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.events.labels import LabelName


def label(
    config: ConfigPath,
    events: Annotated[
        list[str] | None, typer.Argument(metavar="[EVENT_ID]...", help="As `flags` shows them.")
    ] = None,
    overrides: Overrides = None,
    false_alarm: Annotated[
        bool, typer.Option("--false-alarm", help="The events were no anomalies.")
    ] = False,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="The events were anomalies.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Remove the labels of the events.")] = False,
    note: Annotated[str | None, typer.Option(help="A comment for the label.")] = None,
    as_json: AsJson = False,
) -> None:
    """Label events as false alarms or confirmed; without events, list the labels."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.cli.show_feedback import print_labels
    from aedetect.events import read_labels
    from aedetect.events.labels import forget_labels
    from aedetect.jobs.table_clock import shown_clock

    settings = load_config(config, overrides or [])
    if events:
        if false_alarm + confirmed + undo != 1:
            raise typer.BadParameter("give one of --false-alarm, --confirmed and --undo")
        if undo:
            forget_labels(settings.output, events)
        else:
            _label(settings, events, "false_alarm" if false_alarm else "confirmed", note)
    labels = read_labels(settings.output)
    clock = shown_clock(settings)
    if as_json:
        times = [{"start": clock.iso(each.start), "end": clock.iso(each.end)} for each in labels]
        print_json([asdict(each) | own for each, own in zip(labels, times, strict=True)])
    else:
        print_labels(labels, config=config, clock=clock)


def _label(settings: Config, events: list[str], opinion: LabelName, note: str | None) -> None:
    from aedetect.events import label_events

    now = datetime.now(UTC).isoformat(timespec="seconds")
    label_events(settings.output, events, opinion=opinion, note=note, now=now)


def backtest(
    config: ConfigPath,
    overrides: Overrides = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            help="alert_budget, false_alarm_rate, quantile, pot, fbeta or precision; default: saved"
        ),
    ] = None,
    days: Annotated[float, typer.Option(help="Back from the newest score.", min=0.01)] = 30.0,
    since: Since = None,
    until: Until = None,
    to: Annotated[
        Path | None, typer.Option(help="PNG; default: figures/backtest.png beside CONFIG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the events that a threshold would have given, by day and entity, and against labels."""
    from aedetect.cli.options import load_config, load_span
    from aedetect.cli.show import console, print_json, relative_location
    from aedetect.cli.show_feedback import backtest_as_json, print_backtest
    from aedetect.jobs.backtest import run_backtest, save_backtest_figure

    asked = [*(overrides or []), *([f"calibration.threshold={threshold}"] if threshold else [])]
    settings = load_config(config, asked)
    span = load_span(settings, since, until)
    recalibrate = any(each.strip().startswith("calibration.") for each in asked)
    result, calibration = run_backtest(settings, span=span, days=days, recalibrate=recalibrate)
    drawn = save_backtest_figure(result, to or settings.folder / "figures" / "backtest.png")
    if as_json:
        print_json(backtest_as_json(result))
        return
    print_backtest(result, threshold=calibration.threshold)
    console().print(f"figure in {relative_location(str(drawn))}", soft_wrap=True)
    if recalibrate:
        wanted = " ".join(f"--set {quote(each)}" for each in asked)
        console().print(
            f"to keep it: aedetect calibrate {quote(str(config))} {wanted}", soft_wrap=True
        )
