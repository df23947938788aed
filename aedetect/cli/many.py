"""Commands on many detectors: several configurations, or one for each value of a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from aedetect.cli.next_step import print_next
from aedetect.cli.progress import progress, step
from aedetect.cli.show import console, print_json, relative_location, table_of
from aedetect.wording import list_some

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.jobs.scoring_many import ScoredValue, ScoredValues
    from aedetect.jobs.training_many import OneOfMany

_MOST = 30  # lines of detectors of which there is nothing to say
_MOST_ERRORS = 100
_NAMED = 3  # configurations in the title


def train_with_progress(
    paths: Sequence[Path], overrides: list[str], configs: Sequence[Config], *, as_json: bool
) -> None:
    """Train all detectors of some configurations, and show one table; exit code 1 if one failed."""
    from aedetect.cli.prefect_api import prefect_server

    names = list_some([config.name for config in configs], most=_NAMED)
    with progress(f"training {names}"), prefect_server() as ready:
        from pipelines.training import training_many

        step("starting Prefect")
        ready()
        trained = training_many([str(path) for path in paths], overrides)
    failed = any(each.error is not None for each in trained)
    if as_json:
        print_json(trained)
    else:
        print_many_trained(trained)
        if not failed:
            print_next("score", paths[0], "judge every row of [scoring] input")
    if failed:
        raise typer.Exit(1)


def score_with_progress(
    path: Path,
    overrides: list[str],
    config: Config,
    *,
    as_json: bool,
    since: str | None,
    until: str | None,
    rescore: bool,
    force: bool,
) -> None:
    """Score the input of all values, and show one table; exit code 1 if a run failed."""
    from aedetect.cli.prefect_api import prefect_server
    from aedetect.jobs.scoring_many import check_values

    with progress(f"scoring with the detectors of {config.name}"), prefect_server() as ready:
        from pipelines.handoff import Prepared, passing_on
        from pipelines.scoring import scoring

        step("starting Prefect")
        ready()
        given = Prepared(config_path=str(path), overrides=tuple(overrides), config=config)
        with passing_on(given):
            done = scoring(
                str(path), overrides, since=since, until=until, rescore=rescore, force=force
            )
    scored = cast("ScoredValues", done)  # the flow gives them for a configuration with `by`
    if as_json:
        print_json(scored)
    else:
        print_scored_values(scored)
        print_next("flags", path, "the events of all values")
    check_values(scored, strict=config.scoring.strict)


def print_many_trained(trained: Sequence[OneOfMany]) -> None:
    """Show what was trained, those that failed at the end."""
    out = console()
    good = [each for each in trained if each.registered is not None]
    table = table_of("registered", "aliases", "rows", "seconds", "events a day", "gate")
    for each in good[:_MOST]:
        assert each.registered is not None
        tags = each.registered.tags
        table.add_row(
            each.registered.reference,
            ", ".join(each.registered.aliases) or "-",
            f"{each.rows or 0:,}",
            f"{each.seconds or 0:.1f}",
            f"{float(tags.get('events_a_day', 'nan')):.1f}",
            tags.get("gate", "-"),
        )
    if good:
        out.print(table)
    if len(good) > _MOST:
        out.print(f"and {len(good) - _MOST:,} more: --json shows all")
    failed = [each for each in trained if each.error is not None]
    for each in failed[:_MOST_ERRORS]:
        named = each.name if each.value is None else f"{each.name} ({each.value})"
        out.print(f"FAILED {named}: {relative_location(each.error or '')}", soft_wrap=True)
    if len(failed) > _MOST_ERRORS:
        out.print(f"and {len(failed) - _MOST_ERRORS:,} more failed: --json shows all")
    out.print(f"{len(good):,} of {len(trained):,} detectors are registered, {len(failed):,} failed")


def print_scored_values(scored: ScoredValues) -> None:
    """Show the runs of the values that have something to say, and the sum of all."""
    out = console()
    done = [each for each in scored.values if each.summary is not None]
    changed = [each for each in done if each.summary and each.summary.partitions]
    table = table_of(scored.by, "model", "partitions", "rows", "flagged", "new events")
    for each in sorted(changed, key=_flagged, reverse=True)[:_MOST]:
        assert each.summary is not None
        own = each.summary
        counts = (own.partitions, own.rows, own.flagged, own.events["new"])
        table.add_row(each.value, own.model, *(f"{count:,}" for count in counts))
    if changed:
        out.print(table)
    if len(changed) > _MOST:
        out.print(f"and {len(changed) - _MOST:,} more with fewer flagged rows: --json shows all")
    for line in _lines(scored):
        out.print(line, soft_wrap=True)
    out.print(
        f"{len(done):,} of {len(scored.values):,} values of {scored.by}: {scored.rows:,} rows "
        f"scored, {scored.flagged:,} flagged; {len(done) - len(changed):,} were up to date"
    )
    out.print(f"verdicts in {relative_location(scored.output)}/{scored.by}=VALUE")


def _flagged(each: ScoredValue) -> int:
    return each.summary.flagged if each.summary is not None else 0


def _lines(scored: ScoredValues) -> Iterator[str]:
    """Yield notes, warnings and alerts, and what was not scored."""
    found = [f"note: {text}" for text in scored.notes]
    for each in scored.values:
        if each.summary is not None:
            found += [f"{each.value}: warning: {text}" for text in each.summary.warnings]
            found += [f"{each.value}: {text}" for text in each.summary.quarantined]
            found += [f"{each.value}: ALERT: {text}" for text in each.summary.alerts.values()]
    yield from map(relative_location, found[:_MOST_ERRORS])
    if len(found) > _MOST_ERRORS:
        yield f"and {len(found) - _MOST_ERRORS:,} more warnings: --json shows all"
    for each in scored.unknown[:_MOST_ERRORS]:
        rows = f"{each.input_rows:,} rows of {each.files:,} files"
        yield f"NOT SCORED {each.value}: {rows}; {each.error}"
    for each in scored.failed[:_MOST_ERRORS]:
        yield f"FAILED {each.value}: {relative_location(each.error or '')}"
    left = max(len(scored.unknown) - _MOST_ERRORS, 0) + max(len(scored.failed) - _MOST_ERRORS, 0)
    if left:
        yield f"and {left:,} more values are not scored: --json shows all"
