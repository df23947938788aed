"""Partitions that are computed together: their rows are read once, and scored in one go.

Rows before a partition are read for its first rows, and opening files, tasks and tables takes time
for each: with small partitions that is most of the work. What is written of a partition does not
depend on which others are computed with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aedetect.data.reader import WHOLE_CELLS
from aedetect.output.schemas import time_type
from aedetect.scoring.loaded import cached_outline

if TYPE_CHECKING:
    from aedetect.scoring.loaded import Model
    from aedetect.scoring.plan import Unit

_MOST_ROWS, _FEWEST_ROWS = 262_144, 16_384  # of a group, where there is a choice
_MOST_UNITS = 128  # whose files wait for each other


def group_units(
    units: Sequence[Unit], model: Model, *, cores: int | None = None
) -> tuple[tuple[Unit, ...], ...]:
    """Return neighbouring units in groups: some for each core, of a bounded number of rows.

    The cores are those of this machine unless given.
    """
    if not units:
        return ()
    outline = cached_outline(model.folder)
    schema, lookback = outline.schema, outline.lookback
    total = sum(unit.expected or 0 for unit in units)
    share = max(total // (2 * (cores or os.cpu_count() or 1)), _FEWEST_ROWS)
    most = min(share, _MOST_ROWS, WHOLE_CELLS // (len(schema.names) + 4))
    groups: list[list[Unit]] = []
    rows, files = 0, dict[str, int]()  # of the last group; places by name
    for unit in sorted(units, key=lambda each: each.bounds):
        own = most if unit.expected is None else unit.expected
        fits = rows + own <= most and bool(groups) and len(groups[-1]) < _MOST_UNITS
        if fits and _alike(groups[-1][-1], unit, lookback) and _in_order(unit, files):
            groups[-1].append(unit)
            rows += own
        else:
            groups.append([unit])
            rows, files = own, {}
        for file in unit.files:
            files.setdefault(file.name, len(files))
    return tuple(tuple(group) for group in groups)


def _in_order(unit: Unit, files: Mapping[str, int]) -> bool:
    """Whether files of a unit follow each other as before, and new ones come last.

    Of rows of one moment, those of the first file count.
    """
    places = [files.get(file.name, len(files)) for file in unit.files]
    return places == sorted(places)


def _alike(before: Unit, unit: Unit, lookback: int) -> bool:
    """Whether two units can be computed in one go, and close enough for that to save reading."""
    return (
        unit.bounds[0] - before.bounds[1] <= lookback
        and unit.suppression == before.suppression
        and unit.clock == before.clock
        and time_type(unit.files, unit.clock) == time_type(before.files, before.clock)
    )
