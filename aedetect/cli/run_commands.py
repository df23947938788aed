"""Commands that do the work: train, score, promote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Since, Until

if TYPE_CHECKING:
    from aedetect.scoring import Summary


SHOWN = 5  # events after scoring; `flags` shows more


def train_command(config: ConfigPath, overrides: Overrides = None) -> None:
    """Learn normal, calibrate the threshold, register the detector as the next version."""
    run_training_flow(config, overrides or [])


def score_command(
    config: ConfigPath,
    overrides: Overrides = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Bring all that is written to the current model.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Compute again what is current, too.")
    ] = False,
    reflag: Annotated[
        bool, typer.Option("--reflag", help="Apply the newest threshold to what is scored.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="NAME/VERSION that scores instead; needs --to.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Folder for the output instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score what is new or changed; --since, --until, --all also what another model scored."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.cli.show_events import print_events
    from aedetect.cli.show_runs import print_summary
    from aedetect.events import read_event_table
    from aedetect.timestamps import parse_instant

    if reflag:
        if everything or force or model is not None or to is not None:
            raise typer.BadParameter("--reflag takes none of --all, --force, --model and --to")
        reflag_with_progress(config, overrides or [], since=since, until=until, as_json=as_json)
        return
    changed = elsewhere(config, overrides or [], model=model, to=to)
    summary = run_scoring_flow(
        config,
        changed,
        since=since,
        until=until,
        rescore=everything or since is not None or until is not None,
        force=force,
        what_if=_is_elsewhere(config, overrides or [], changed),
    )
    if as_json:
        print_json(summary)
        return
    print_summary(summary)
    if summary.flagged and summary.since is not None:
        output = load_config(config, changed).output
        found = read_event_table(output, since=parse_instant(summary.since), suppressed=True)
        print_events(found, limit=SHOWN)


def promote(
    config: ConfigPath,
    version: Annotated[int, typer.Argument(help="Version that shall score from now on.", min=1)],
    overrides: Overrides = None,
) -> None:
    """Make a version the champion: what scores. An older one takes the scoring back."""
    from aedetect import registry
    from aedetect.cli.options import load_config
    from aedetect.cli.show import console

    settings = load_config(config, overrides or [])
    uri = settings.tracking_uri
    champion = registry.promote_version(
        registry.find_version(f"{settings.name}/{version}", tracking_uri=uri), tracking_uri=uri
    )
    console().print(
        f"{champion.reference} scores from now on; what is written stays: "
        f"aedetect score {config} --all scores it anew"
    )


def elsewhere(
    config: Path, overrides: list[str], *, model: str | None, to: Path | None
) -> list[str]:
    """Return the overrides with another model and another output.

    Raises ConfigError when the configured output would get the verdicts of another version.
    """
    from aedetect.cli.options import load_config
    from aedetect.errors import ConfigError

    changed = list(overrides)
    if to is not None:
        changed.append(f"scoring.output={json.dumps(str(to.resolve()))}")
    if model is None:
        return changed
    from aedetect.jobs.scoring import resolve_model

    changed.append(f"scoring.model={json.dumps(model)}")
    configured, asked = load_config(config, overrides), load_config(config, changed)
    usual, other = resolve_model(configured), resolve_model(asked)
    names = [f"{each.name}/{each.version}" for each in (usual, other)]
    if configured.output == asked.output and names[0] != names[1]:
        raise ConfigError(
            f"{names[1]} needs a folder of its own, but the output is that of {names[0]}: "
            "give --to FOLDER"
        )
    return changed


def _is_elsewhere(config: Path, overrides: list[str], changed: list[str]) -> bool:
    """Whether the output is another than the configured one."""
    from aedetect.cli.options import load_config

    if changed == overrides:
        return False
    return load_config(config, overrides).output != load_config(config, changed).output


@contextmanager
def prefect_server() -> Iterator[Callable[[], None]]:
    """Start a Prefect server where nobody runs one; give what waits until it answers."""
    from pipelines.server import await_api, start_server

    server = start_server()
    yield server.wait if server is not None else await_api


def run_training_flow(config: Path, overrides: list[str]) -> None:
    """Run the training flow and say what came of it."""
    from aedetect.cli.calibrate import print_promise
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress
    from aedetect.cli.show import print_trained
    from aedetect.cli.show_suspect_rows import print_suspect_rows

    settings = load_config(config, overrides)  # refuse it before anything starts
    with progress(f"training {settings.name}"), prefect_server() as ready:
        from aedetect.registry import list_versions
        from pipelines.training import training

        # Refuse a registry that does not answer now, and not when the training is done.
        list_versions(name=settings.name, tracking_uri=settings.tracking_uri)
        ready()
        trained = training(str(config), overrides)
    print_trained(settings, trained)
    print_promise(settings, trained)
    print_suspect_rows(settings, trained)


def reflag_with_progress(
    config: Path, overrides: list[str], *, since: str | None, until: str | None, as_json: bool
) -> None:
    """Apply the newest threshold to history, from the scores alone, and say what changed."""
    from aedetect.cli.calibrate import print_reflagged
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress
    from aedetect.cli.show import print_json
    from aedetect.jobs import reflagging
    from aedetect.output.partitions import Span
    from aedetect.timestamps import parse_instant

    settings = load_config(config, overrides)
    span = Span(
        parse_instant(since) if since else None,
        parse_instant(until) if until else None,
    )
    with progress(f"flagging anew with {settings.model_reference}"):
        done = reflagging.run_reflagging(settings, span=span, config_path=str(config))
    if as_json:
        print_json(done)
    else:
        print_reflagged(done)


def run_scoring_flow(
    config: Path,
    overrides: list[str],
    *,
    since: str | None = None,
    until: str | None = None,
    rescore: bool = False,
    force: bool = False,
    what_if: bool = False,
) -> Summary:
    """Run the scoring flow and return its summary; nobody is told of what would be."""
    from aedetect.cli.options import load_config
    from aedetect.cli.progress import progress

    settings = load_config(config, overrides)
    with progress(f"scoring with {settings.model_reference}"), prefect_server() as ready:
        from aedetect.jobs.scoring import resolve_model
        from aedetect.secrets import is_block
        from pipelines.scoring import scoring

        if is_block(settings.registry.tracking_uri):  # kept by the server that is starting
            ready()
        resolve_model(
            settings
        )  # refuse an unknown model now; it takes the time in which Prefect starts
        ready()
        return scoring(
            str(config),
            overrides,
            since=since,
            until=until,
            rescore=rescore,
            force=force,
            what_if=what_if,
        )
