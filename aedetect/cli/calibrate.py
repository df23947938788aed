"""The command calibrate, and output about thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides
from aedetect.wording import figure, percent

if TYPE_CHECKING:
    from pathlib import Path

    from aedetect.calibration import Forecast
    from aedetect.config import Config
    from aedetect.jobs.recalibration import Recalibrated
    from aedetect.jobs.reflagging import Reflagged
    from aedetect.registry import Registered


def calibrate(
    config: ConfigPath,
    threshold: Annotated[
        str | None,
        typer.Option(help="alert_budget, false_alarm_rate, quantile, pot, fbeta or precision."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="NAME/3 or NAME@alias; default: the model that scores.")
    ] = None,
    renew: Annotated[
        bool,
        typer.Option("--renew", help="Follow the scores of the last days (renew_from)."),
    ] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Choose a new threshold for a model from its held-out scores, without retraining."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.jobs.recalibration import recalibrate

    if renew:
        if threshold:
            raise typer.BadParameter("--renew takes no --threshold: the promise stays as it is")
        renew_by_hand(load_config(config, overrides or []), model, as_json=as_json)
        return
    asked = [f"calibration.threshold={threshold}"] if threshold else []
    settings = load_config(config, [*(overrides or []), *asked])
    made = recalibrate(settings, model)
    if as_json:
        print_json(made)
    else:
        print_recalibrated(made, config, renewed=settings.renew is not None)


def renew_by_hand(config: Config, model: str | None, *, as_json: bool) -> None:
    """Renew the thresholds from recent scores, and show the factors."""
    from aedetect.cli.show import console, print_json, table_of
    from aedetect.jobs.renewal import renew

    made = renew(config, model)
    if as_json or made is None:
        print_json(made)
        return
    out = console()
    out.print(f"{made.model} has calibration {made.version}, in force from {made.since} on")
    table = table_of("entity", "threshold, times that of the full calibration")
    for name, factor in made.factors.items():
        table.add_row(name, f"{factor:.3g}")
    table.add_row("(all others)" if made.factors else "-", f"{made.pooled:.3g}")
    out.print(table)
    out.print(f"from {made.rows:,} rows; {made.left_out:,} of strong or confirmed events left out")
    if made.unchanged:
        out.print(f"  {made.unchanged} groups of entities have too few rows: unchanged")
    for text in made.accepted:
        out.print(f"  {text}")


def print_recalibrated(made: Recalibrated, config: Path, *, renewed: bool) -> None:
    """Show thresholds, the promised rates, and the expected number of events.

    `renewed`: the thresholds follow already.
    """
    from aedetect.cli.next_step import print_next
    from aedetect.cli.show import console, table_of

    out = console()
    out.print(f"{made.model} has calibration {made.version}: {_format_settings(made.asked)}")
    table = table_of(
        "entity", "threshold", "flags at most", "held-out rows", "tail", "events a day"
    )
    for each in made.thresholds:
        table.add_row(
            str(each.entity or "-"),
            f"{each.threshold:.4g}",
            f"{percent(each.rate)} of normal rows",
            f"{each.rows:,}",
            "fits" if each.tail_fits else "no fit",
            expected(each.forecast),
        )
    out.print(table)
    out.print(f"{made.promise.headline}; {expected(made.forecast)} events a day expected in all")
    _print_scope(made.promise.caution(renewed=renewed), made.scope, made.notes)
    for setting, value in made.elsewhere.items():
        out.print(f"  threshold with {setting}: {value:.4g}")
    out.print("what is scored does not change")
    print_next("score", config, "apply the new thresholds to what is scored", more=" --reflag")


def print_promise(config: Config, trained: Registered) -> None:
    """Show the promised rate of the threshold of a new version, and the expected events."""
    from aedetect import registry
    from aedetect.cli.show import console
    from aedetect.detector import read_outline

    made = read_outline(
        registry.fetch_version(trained, tracking_uri=config.tracking_uri)
    ).calibration
    out = console()
    out.print(
        f"{made.promise.headline}: {made.threshold.method} on {len(made.scores):,} held-out rows, "
        f"with {expected(made.forecast)} events a day there"
    )
    _print_scope(made.promise.caution(renewed=config.renew is not None), made.scope, made.notes)
    for setting, value in made.elsewhere.items():
        out.print(f"  threshold with {setting}: {value:.4g}")


def print_reflagged(done: Reflagged, *, renewed: bool) -> None:
    """Show the effect of applying another threshold; `renewed`: the thresholds follow already."""
    from aedetect.cli.show import console

    out = console()
    out.print(
        f"{done.model}, calibration {done.calibration}: {done.rows:,} rows of {done.partitions} "
        f"partitions re-evaluated, {done.flagged:,} flagged; {done.current} partitions were up to "
        "date"
    )
    out.print(f"  {done.promise.headline}: {done.method}")
    _print_scope(done.promise.caution(renewed=renewed), done.scope, done.notes)
    if done.unexplained:
        out.print(
            f"  {done.unexplained:,} rows are newly flagged, without causes yet; to compute them: "
            f"aedetect score CONFIG --since {done.since} --force",
            soft_wrap=True,
        )
    if any(done.events.values()):
        counts = (f"{count:,} {kind}" for kind, count in done.events.items() if count)
        out.print(f"  events: {', '.join(counts)}")
    if done.other:
        out.print(f"  {done.other} partitions were scored by another version and do not change")


def _print_scope(caution: tuple[str, ...], scope: str, notes: tuple[str, ...]) -> None:
    """Show why a promise is not kept, for what it is made (not of one entity), what it assumes."""
    from aedetect.cli.show import console

    for line in (*caution, f"the promise is made {scope}" if scope else "", *notes):
        if line:
            console().print(f"  {line}")


def expected(forecast: Forecast) -> str:
    """Format a rate of events with its interval."""
    low, high = figure(forecast.low), figure(forecast.high)
    return f"{figure(forecast.per_day)} ({low} to {high})"


def _format_settings(asked: dict[str, object]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in asked.items() if value is not None)
