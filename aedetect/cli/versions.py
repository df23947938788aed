"""The commands models, promote and rollback."""

from __future__ import annotations

from dataclasses import asdict, replace
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides

if TYPE_CHECKING:
    from pathlib import Path

    from aedetect.config import Config
    from aedetect.registry import Registered

Why = Annotated[str, typer.Option(help="The reason, for the history.")]


def models(
    config: ConfigPath,
    overrides: Overrides = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show who promoted which version, when and why.")
    ] = False,
    scored: Annotated[
        bool,
        typer.Option("--scored", help="Show which version scored what, under which promise."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the registered versions of the detector, newest first."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.cli.show_versions import facts_of, print_history, print_models
    from aedetect.jobs.table_clock import shown_clock
    from aedetect.registry.promotions import read_promotions
    from aedetect.wall_clock import load_zone

    settings = load_config(config, overrides or [], several=not (history or scored))
    if scored:
        _show_scored(settings, as_json=as_json)
        return
    name, uri = settings.name, settings.tracking_uri
    zone = load_zone(shown_clock(settings).zone or "UTC")
    versions = [replace(each, created=each.created.astimezone(zone)) for each in _listed(settings)]
    if not history:
        if as_json:
            print_json([asdict(each) | facts_of(each) for each in versions])
        else:
            print_models(name, versions)
        return
    entries = [
        replace(each, at=each.at.astimezone(zone))
        for each in read_promotions(name, tracking_uri=uri)
    ]
    if as_json:
        print_json(entries)
    else:
        print_history(name, entries, versions)


def _listed(settings: Config) -> list[Registered]:
    """Return the versions of the detector; of one for each value of a column, the champions."""
    from aedetect import registry
    from aedetect.jobs.value_outputs import champions_of_values

    if settings.detector.by is not None:
        return champions_of_values(settings)
    return registry.list_versions(name=settings.name, tracking_uri=settings.tracking_uri)


def _show_scored(settings: Config, *, as_json: bool) -> None:
    """Show which version scored what, under which promise."""
    from aedetect.cli.show import print_json
    from aedetect.cli.show_versions import print_scored
    from aedetect.jobs.promises import scored_times

    found = scored_times(settings)
    if as_json:
        print_json(found)
    else:
        print_scored(settings.name, found)


def promote(
    config: ConfigPath,
    version: Annotated[int, typer.Argument(help="Number of the version.", min=1)],
    overrides: Overrides = None,
    why: Why = "",
    force: Annotated[
        bool, typer.Option("--force", help="Promote without the gate; recorded as forced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion, which scores, if it passes the gate of [promotion]."""
    from aedetect import registry
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json
    from aedetect.errors import PromotionRefused
    from aedetect.jobs.gate import run_gate
    from aedetect.registry.history import Decision

    settings = load_config(config, overrides or [])
    uri = settings.tracking_uri
    version_asked = registry.find_version(f"{settings.name}/{version}", tracking_uri=uri)
    result = None if force else run_gate(settings, version_asked)
    if result is not None and not result.passed:
        raise PromotionRefused(
            f"{result.words}: the champion stays; "
            f"`aedetect promote {quote(str(config))} {version} --force` promotes it all the same"
        )
    reasons = filter(None, (why, result.words if result is not None else ""))
    decision = Decision(action="forced" if force else "promoted", why="; ".join(reasons))
    champion = registry.promote_version(version_asked, tracking_uri=uri, decision=decision)
    if as_json:
        print_json({"champion": champion, "gate": result})
        return
    if result is not None:
        console().print(result.words, soft_wrap=True)
    _print_champion(settings, config, champion.version, asked=version)


def rollback(
    config: ConfigPath, overrides: Overrides = None, why: Why = "", as_json: AsJson = False
) -> None:
    """Make the champion before the present one the champion again, according to the history."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console, print_json
    from aedetect.registry.history import Decision, forced_before, forced_promotion
    from aedetect.registry.promotions import read_promotions, rollback_version

    settings = load_config(config, overrides or [])
    entry = rollback_version(
        settings.name,
        tracking_uri=settings.tracking_uri,
        decision=Decision(action="rollback", why=why),
    )
    if as_json:
        print_json(entry)
        return
    _print_champion(settings, config, entry.version, asked=entry.version)
    if entry.before is not None:
        console().print(
            f"what {settings.name}/{entry.before} scored stays as it is; again from a time on: "
            "aedetect score CONFIG --all --since TIME",
            soft_wrap=True,
        )
    history = read_promotions(settings.name, tracking_uri=settings.tracking_uri)
    for version in forced_before(history):
        console().print(
            f"{settings.name}/{version} is passed over, because it had been promoted by force, "
            f"without the gate: aedetect promote {config} {version} --force goes back to it"
        )
    if forced_promotion(history, entry.version) is not None:
        console().print(
            f"{settings.name}/{entry.version} had been promoted by force, without the gate: "
            f"aedetect rollback {config} goes further back"
        )


def _print_champion(settings: Config, config: Path, version: int, *, asked: int) -> None:
    """Say which version scores from now on; another one if two were promoted at the same time."""
    from aedetect.cli.next_step import print_next
    from aedetect.cli.show import console

    out, name = console(), settings.name
    if version != asked:
        out.print(
            f"{name}/{version} was promoted at the same time, and scores: "
            "aedetect models CONFIG --history shows by whom"
        )
    elif settings.model_reference != f"{name}@champion":
        out.print(
            f"{name}/{version} is the champion, but does not score: [scoring] model is "
            f'"{settings.model_reference}"'
        )
    else:
        out.print(f"{name}/{version} scores from now on; what is scored does not change")
        print_next("score", config, "score it again by this version", more=" --all")
