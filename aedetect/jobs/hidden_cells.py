"""What two versions expect of cells that they do not see, each from the rest of its window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.evaluation.explained import HiddenCells
from aedetect.jobs.gate_rows import prepared_series
from aedetect.preprocessing.windows import gather

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.data import Rows, Schema
    from aedetect.detector import CalibratedScorer, Scorer, Series

_MOST_ROWS, _MOST_COLUMNS = 2_000, 100  # that are looked at, evenly spaced
_MOST_CELLS = 8_000_000  # of all windows


def hide_cells(
    detectors: Mapping[str, CalibratedScorer], rows: Mapping[str, Rows], ends: Int64
) -> dict[str, HiddenCells]:
    """Return what each version expects of the cells of some of the rows at `ends` (N,).

    A cell is typical where it is hidden, and the version sees the other columns and earlier rows.
    Only columns of numbers that both have. Empty where no row has whole windows.
    """
    series = {role: prepared_series(each, rows[role]) for role, each in detectors.items()}
    depth = max(_depth(each.scorer) for each in detectors.values())
    whole = [each.back[ends] >= depth - 1 for each in series.values()]
    chosen = ends[np.logical_and.reduce(whole)]
    width = max(each.matrix.shape[1] for each in series.values())
    most = min(_MOST_ROWS, max(_MOST_CELLS // (depth * width), 1))
    names = _common_numbers(*(each.scorer.schema for each in detectors.values()))
    if not len(chosen) or not names:
        return {}
    chosen = chosen[_spaced(len(chosen), most)]
    names = [names[at] for at in _spaced(len(names), _MOST_COLUMNS)]
    return {
        role: _hidden(each.scorer, series[role], chosen, names, depth)
        for role, each in detectors.items()
    }


def _hidden(
    scorer: Scorer, series: Series, chosen: Int64, names: list[str], depth: int
) -> HiddenCells:
    """Hide one column after the other in the last row of each window."""
    windows = _alone(series, chosen, depth)
    ends = np.arange(1, len(chosen) + 1) * depth - 1
    place = dict(zip(scorer.schema.names, scorer.preparation.first_columns.tolist(), strict=True))
    observed = np.empty((len(chosen), len(names)))
    expected = np.empty_like(observed)
    for number, name in enumerate(names):
        column = place[name]
        kept = windows.matrix[ends, column]
        windows.matrix[ends, column] = 0
        expected[:, number] = scorer.expect(windows, ends)[:, column]
        windows.matrix[ends, column] = observed[:, number] = kept
    seen = series.observed[np.ix_(chosen, [place[name] for name in names])]
    return HiddenCells(series.entity[chosen], np.where(seen, observed, np.nan), expected)


def _alone(series: Series, chosen: Int64, depth: int) -> Series:
    """Return the windows of some rows one after the other, each a series of its own."""
    at = (chosen[:, None] + np.arange(1 - depth, 1)).ravel()
    return replace(
        series,
        matrix=gather(series.matrix, chosen, length=depth).reshape(len(at), -1),
        observed=series.observed[at],
        entity=series.entity[at],
        back=np.tile(np.arange(depth), len(chosen)),
        valid=series.valid[at],
        tick=series.tick[at],
        masked=None,
    )


def _depth(scorer: Scorer) -> int:
    """Return how many rows the longest windows have."""
    return max(scorer.length, scorer.long.sizes.length if scorer.long else 0)


def _common_numbers(first: Schema, second: Schema) -> list[str]:
    """Return the columns of numbers that two versions take alike, in the order of the first."""
    other = {(each.name, each.counter) for each in second.features if not each.is_text}
    return [each.name for each in first.features if (each.name, each.counter) in other]


def _spaced(count: int, most: int) -> Int64:
    """Return at most so many of the numbers from 0 on, evenly spaced."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64)
