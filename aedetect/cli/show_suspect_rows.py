"""What training distrusted, and how to exclude it: a table and a line to paste."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from aedetect.cli.show import console

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.registry import Registered
    from aedetect.training.suspect_rows import SuspectRows

_MOST = 10  # stretches shown
_LEAST = 0.05  # of the error; smaller shares are not shown


def print_suspect_rows(config: Config, trained: Registered) -> None:
    """Show the stretches that `[training] trim` set aside; nothing where it is 0."""
    from aedetect import registry
    from aedetect.jobs.training import SUSPECT_ROWS_FILE
    from aedetect.training.suspect_rows import SuspectRows

    if not config.training.trim:
        return
    text = registry.read_run_text(trained, SUSPECT_ROWS_FILE, tracking_uri=config.tracking_uri)
    found = tuple(SuspectRows(**each) for each in json.loads(text or "[]"))
    if not found:
        console().print("no row is distrusted")
        return
    out, shown = console(), found[:_MOST]
    out.print(_table(shown))
    rows = sum(each.rows for each in found)
    out.print(
        f"{rows:,} distrusted rows in {len(found):,} stretches, with their largest error over that "
        f"of the worst row kept; {len(shown)} are shown, those with the most error in all first; "
        f"all are in {SUSPECT_ROWS_FILE} of the run in MLflow. Of the part that calibrates nothing "
        "is left out: its rows count in the threshold. To leave out for good what is a fault, in "
        "[data]:"
    )
    print(exclusion(shown, normal=config.data.normal))  # noqa: T201 - no line break within it


def exclusion(found: tuple[SuspectRows, ...], *, normal: str | None) -> str:
    """Write the line of TOML that leaves stretches out."""
    from aedetect.training.suspect_rows import normal_filter

    sql = normal_filter(found, normal=normal)
    return f"normal = {json.dumps(sql)}" if "'''" in sql else f"normal = '''{sql}'''"


def _table(found: tuple[SuspectRows, ...]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("entity", "from", "to", "rows", "part", "error", "causes"):
        shown.add_column(heading, overflow="fold")
    for each in found:
        shown.add_row(
            str(each.entity or "-"),
            each.start.removesuffix(":00"),
            each.end.removesuffix(":00"),
            f"{each.rows:,}",
            each.part,
            f"{each.strangeness:.1f} x",
            "\n".join(_shares(each)),
        )
    return shown


def _shares(each: SuspectRows) -> Iterator[str]:
    for feature, share in each.causes.items():
        if share >= _LEAST:
            yield f"{share:4.0%} {feature}"
