"""Suspect training rows: a table, and the `[data] normal` line that excludes them."""

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

_MAX_SHOWN = 10  # segments
_MIN_SHARE = 0.05  # of the error; smaller shares are not shown


def print_suspect_rows(config: Config, trained: Registered) -> None:
    """Show the segments that `[training] trim` excluded; nothing when it is 0."""
    from aedetect import registry
    from aedetect.jobs.training_record import SUSPECT_ROWS_FILE
    from aedetect.training.suspect_rows import SuspectRows

    if not config.training.trim:
        return
    text = registry.read_run_text(trained, SUSPECT_ROWS_FILE, tracking_uri=config.tracking_uri)
    found = tuple(SuspectRows(**each) for each in json.loads(text or "[]"))
    if not found:
        console().print("no row is suspect")
        return
    out, shown = console(), found[:_MAX_SHOWN]
    out.print(_table(shown))
    rows = sum(each.rows for each in found)
    out.print(
        f"{rows:,} suspect rows in {len(found):,} segments; error is their largest, relative to "
        f"the largest error kept; {len(shown)} are shown, sorted by total error; all are in "
        f"{SUSPECT_ROWS_FILE} of the run in MLflow. No row of the calibration part is excluded: "
        "all count in the threshold. To exclude faults permanently, set in [data]:"
    )
    print(exclusion(shown, normal=config.data.normal))  # noqa: T201 - no line break within it


def exclusion(found: tuple[SuspectRows, ...], *, normal: str | None) -> str:
    """Return the line of TOML that excludes segments."""
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
        if share >= _MIN_SHARE:
            yield f"{share:4.0%} {feature}"
