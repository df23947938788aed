"""The command check for a detector for each value of a column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.jobs.check_values import CheckedValues

_MOST = 30  # values shown


def check_values_with_progress(path: Path, config: Config, *, as_json: bool) -> None:
    """Check the data of all values, and show what training and scoring will do with them."""
    from aedetect.cli.next_step import print_after_check
    from aedetect.cli.progress import progress
    from aedetect.cli.show import print_json
    from aedetect.jobs.check_values import check_values_data
    from aedetect.output.scratch import temporary_folder

    with (
        temporary_folder() as scratch,
        progress(f"reading the data of {config.name}", said=("note",)),
    ):
        found = check_values_data(config, scratch)
    if as_json:
        print_json(found)
    else:
        print_checked_values(found, by=str(config.detector.by))
        print_after_check(path, found.checked)
    if found.grade == "refuse":
        raise typer.Exit(1)


def print_checked_values(found: CheckedValues, *, by: str) -> None:
    """Show the values with their rows, what is found in all, and the largest in full."""
    from aedetect.cli.show import console, table_of
    from aedetect.cli.show_check import print_check, print_findings

    out = console()
    out.print(f"a detector for each of {len(found.values):,} values of {by}")
    table = table_of(by, "detector", "rows", "files", "rows to score")
    for each in sorted(found.values, key=lambda one: one.rows)[:_MOST]:
        numbers = (each.rows, each.files, each.input_rows)
        table.add_row(each.value, each.detector, *(f"{number:,}" for number in numbers))
    out.print(table)
    if len(found.values) > _MOST:
        out.print(f"and {len(found.values) - _MOST:,} more with more rows: --json shows all")
    print_findings(found.findings)
    out.print(f"in full, {found.largest}, which has the most rows:")
    print_check(found.checked)
