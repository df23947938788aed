"""The commands clean, impute and similar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aedetect.cli.options import AsJson, ConfigPath, Overrides, Since, Until

if TYPE_CHECKING:
    from aedetect.jobs.rewriting import Rewritten

To = Annotated[
    Path, typer.Option("--to", metavar="PATH", help="File *.parquet or folder to write.")
]
Columns = Annotated[
    str, typer.Option(metavar="A,B,...", help="Only these features; default: all supported.")
]


def clean(
    config: ConfigPath,
    to: To,
    overrides: Overrides = None,
    columns: Columns = "",
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Write the scored table without noise: selected cells as reconstructed by the model."""
    from aedetect.cli.options import load_config, load_span
    from aedetect.jobs import rewriting

    settings = load_config(config, overrides or [])
    done = rewriting.clean_table(
        settings, to=to, columns=_names(columns), span=load_span(settings, since, until)
    )
    _print_summary(done, verb="cleaned", as_json=as_json)


def impute(
    config: ConfigPath,
    to: To,
    overrides: Overrides = None,
    columns: Columns = "",
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Write the scored table with missing cells filled; observed cells do not change."""
    from aedetect.cli.options import load_config, load_span
    from aedetect.jobs import rewriting

    settings = load_config(config, overrides or [])
    done = rewriting.impute_table(
        settings, to=to, columns=_names(columns), span=load_span(settings, since, until)
    )
    _print_summary(done, verb="filled", as_json=as_json)


def similar(
    config: ConfigPath,
    at: Annotated[
        tuple[str, str],
        typer.Option(
            metavar="ENTITY TIMESTAMP",
            help="The last row of the window to compare; ENTITY is - without entities.",
        ),
    ],
    overrides: Overrides = None,
    limit: Annotated[int, typer.Option(help="How many windows to show.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the past windows that are most similar to the one that ends at a row."""
    from aedetect.cli.options import load_config
    from aedetect.cli.show import print_json
    from aedetect.cli.show_rewrites import print_similar
    from aedetect.jobs.similarity import find_similar
    from aedetect.jobs.table_clock import shown_clock

    settings = load_config(config, overrides or [])
    entity, time = at
    found = find_similar(
        settings, entity=entity, time=shown_clock(settings).parse(time), limit=limit
    )
    if as_json:
        print_json(found)
    else:
        print_similar(found)


def _print_summary(done: Rewritten, *, verb: str, as_json: bool) -> None:
    """Print the summary of a rewritten table."""
    from aedetect.cli.show import print_json
    from aedetect.cli.show_rewrites import print_rewritten

    if as_json:
        print_json(done)
    else:
        print_rewritten(done, verb=verb)


def _names(columns: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in columns.split(",") if name.strip())
