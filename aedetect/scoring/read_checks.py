"""Whether the rows that were read are those of the plan: the files of then, and every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aedetect.data.sources import rewritten
from aedetect.errors import UnreadableFile

if TYPE_CHECKING:
    from aedetect.scoring.plan import Unit


def check_unchanged(unit: Unit) -> None:
    """Raise UnreadableFile if the content read may differ from that recorded in the footer."""
    if moved := rewritten(unit.files):
        reason = "was replaced while it was read"
        raise UnreadableFile(
            f"{', '.join(moved)} {reason}: {unit.partition} is left to the next run",
            reasons=dict.fromkeys(moved, reason),
        )


def check_complete(unit: Unit, rows: int) -> None:
    """Raise UnreadableFile when rows of the time column were not among those that were read."""
    if unit.expected is not None and rows != unit.expected:
        reason = f"gave {rows} rows of {unit.partition}, but has {unit.expected}"
        start, end = unit.bounds
        named = [f.name for f in unit.files if any(start <= h < end for h in f.hours)]
        raise UnreadableFile(
            f"{', '.join(named)} {reason}: write it again", reasons=dict.fromkeys(named, reason)
        )
