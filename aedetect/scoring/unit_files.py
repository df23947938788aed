"""Whether the files of partitions are those that were planned, before and after they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aedetect.data.sources import rewritten, touched
from aedetect.errors import UnreadableFile

if TYPE_CHECKING:
    from aedetect.data import SourceFile
    from aedetect.scoring.plan import Unit


def touched_units(units: Sequence[Unit]) -> list[Unit]:
    """Return units with updated signatures of files that were touched: each file is asked once."""
    files = _files(units)
    inputs = {name: found for unit in units for name, found in unit.inputs.items()}
    current = dict(zip(files, touched(files.values(), inputs), strict=True))
    return [replace(unit, files=tuple(current[each.path] for each in unit.files)) for unit in units]


def check_unchanged(units: Sequence[Unit]) -> None:
    """Raise UnreadableFile if the content read may differ from that recorded in the footers."""
    if moved := rewritten(_files(units).values()):
        reason = "was replaced while it was read"
        left = ", ".join(str(unit.partition) for unit in units)
        raise UnreadableFile(
            f"{', '.join(moved)} {reason}: {left} is left to the next run",
            reasons=dict.fromkeys(moved, reason),
        )


def _files(units: Sequence[Unit]) -> dict[str, SourceFile]:
    return {file.path: file for unit in units for file in unit.files}


def check_complete(unit: Unit, rows: int) -> None:
    """Raise UnreadableFile when rows of the time column were not among those that were read."""
    if unit.expected is not None and rows != unit.expected:
        reason = f"gave {rows} rows of {unit.partition}, but has {unit.expected}"
        start, end = unit.bounds
        named = [f.name for f in unit.files if any(start <= h < end for h in f.hours)]
        raise UnreadableFile(
            f"{', '.join(named)} {reason}: write it again", reasons=dict.fromkeys(named, reason)
        )
