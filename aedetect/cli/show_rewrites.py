"""Output of the commands clean, impute and similar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from aedetect.cli.show import console

if TYPE_CHECKING:
    from aedetect.jobs.latents import Similar
    from aedetect.jobs.rewriting import Rewritten


def print_rewritten(done: Rewritten, *, verb: str) -> None:
    """Show what was written and what was left unchanged."""
    out = console()
    out.print(
        f"{verb} {done.cells_changed:,} cells in {done.rows_changed:,} of {done.rows:,} rows with "
        f"{done.model}: {done.to}"
    )
    for reason, rows in sorted(done.left.items(), key=lambda item: -item[1]):
        out.print(f"  unchanged: {rows:,} rows, {reason}")
    for file in done.unreadable:
        out.print(f"  omitted, cannot be read: {file}")


def print_similar(found: Similar) -> None:
    """Show the windows most similar to the given one."""
    out = console()
    out.print(
        f"like {found.entity or 'the window'} {found.start} to {found.end}, among "
        f"{found.searched:,} windows before it (median distance {found.typical:.3g}), by "
        f"{found.model}:"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("entity", "start", "end"):
        table.add_column(heading)
    table.add_column("distance", justify="right")
    for match in found.matches:
        table.add_row(match.entity or "-", match.start, match.end, f"{match.distance:.3g}")
    out.print(table)
