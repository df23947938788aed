"""Fill missing cells with the model; observed cells are unchanged.

Reconstruction and filling alternate: the expected value of a missing cell depends on the other
cells of its windows, some of which may also be missing. Two additions improve the result:

- the first values are from linear interpolation, not typical values
- the model's residuals before and after a gap are continued into it: their level over some rows
  persists, which corrects for drift since training, and the deviation from the level decays, as the
  best estimate of a first-order autoregressive residual between two known ones

Measured by `benchmarks/impute.py`, in comparison with interpolation and medians. The settings were
chosen on the calibration part of the sample, which the network was not trained on, and measured on
the part after it too. Intended for cells of some features, missing for minutes or hours while
others are observed. When all features are missing at once, the model has no information: over
several rows, interpolation is then as good or better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.counter_levels import CounterLevels
from aedetect.applications.gaps import LEVEL, REACH, Gaps, find_gaps
from aedetect.applications.overlap import expect, in_units
from aedetect.applications.rewrite import CellChange, Context
from aedetect.arrays import Float32
from aedetect.preprocessing import positions
from aedetect.preprocessing.windows import exceeding

if TYPE_CHECKING:
    from aedetect.arrays import Bool
    from aedetect.data import Rows
    from aedetect.detector import Scorer
    from aedetect.preprocessing import Prepared

TURNS = 3  # a fixed number, so that a cell depends only on the rows around it


def impute_reach(scorer: Scorer) -> Context:
    """Return which rows around a row its filled cells depend on."""
    around = TURNS * (scorer.length - 1 + LEVEL + REACH) + REACH
    before = REACH if scorer.schema.counts else 0  # rows back to the reading before the first
    return Context(behind=around + before, ahead=around, lookback=0)


def impute_rows(scorer: Scorer, rows: Rows) -> CellChange:
    """Fill missing cells in runs of at least a window's length, even with few observed cells.

    Unlike for scoring, the duration of a gap does not matter.
    """
    missing = np.isnan(rows.values)
    values = rows.values.copy()
    reasons = (
        f"fewer than {scorer.length} rows around it without a gap",
        "unseen entity",
        "repeats a timestamp",
    )
    reason = np.where(missing.any(axis=1), len(reasons) - 1, -1)
    kept = np.flatnonzero(~rows.duplicates)
    if missing[kept].any():
        counters = CounterLevels.of(rows.take(kept), scorer.schema)
        unique = counters.increases
        prepared = scorer.preparation.transform(unique)
        filled, covered = _fill(scorer, unique, prepared)
        can = covered & (prepared.entity >= 0)
        values[kept] = counters.filled_levels(in_units(scorer.preparation, filled, prepared))
        left = np.where(prepared.entity < 0, 1, 0)
        reason[kept] = np.where(missing[kept].any(axis=1) & ~can, left, -1)
    wanted = missing & np.isfinite(values)  # a counter without any reading stays missing
    return CellChange(values=values, wanted=wanted, reason=reason, reasons=reasons)


def _fill(scorer: Scorer, rows: Rows, prepared: Prepared) -> tuple[Float32, Bool]:
    """Return the rows with missing cells filled, in model units: (R, D), and which could be."""
    schema, known = scorer.schema, prepared.observed
    breaks = rows.starts
    longest = schema.max_gaps(rows)
    breaks[1:] |= exceeding(rows.time, longest)
    back = positions(rows.time, starts=breaks, usable=prepared.entity >= 0, max_gap=longest)
    period = schema.spread(rows.names, "period")[rows.entity]
    wanted = _any_within(np.any(~known, axis=1), scorer.length)
    ends = np.flatnonzero((back >= scorer.length - 1) & wanted)
    matrix = prepared.matrix.copy()
    gaps = [
        find_gaps(rows, ~known[:, column], breaks, column=column, period=period)
        for column in np.flatnonzero(~known.all(axis=0)).tolist()
    ]
    for gap in gaps:
        matrix[gap.rows, gap.column] = 0  # typical, if there is nothing to interpolate
        matrix[gap.rows, gap.column] = gap.straight(matrix[:, gap.column])
    covered = np.zeros(len(rows), dtype=np.bool_)
    for _ in range(TURNS):
        expected, covered = expect(scorer, matrix, ends)
        for gap in gaps:
            _explain(matrix[:, gap.column], expected[:, gap.column], gap, known, covered)
    return matrix[:, : known.shape[1]], covered


def _explain(cells: Float32, expected: Float32, gap: Gaps, known: Bool, covered: Bool) -> None:
    """Replace missing cells of a column by the expected and the filled value: (R,), (R,)."""
    rest = np.where(covered, cells - expected, 0)
    new = expected[gap.rows] + gap.carried(rest, known[:, gap.column] & covered)
    chosen = covered[gap.rows]
    cells[gap.rows[chosen]] = new[chosen]


def _any_within(marks: Bool, length: int) -> Bool:
    """Return which windows contain a marked row, by their last rows: (R,) -> (R,).

    >>> _any_within(np.array([True, False, False, False]), 2).tolist()
    [True, True, False, False]
    """
    counted = np.cumsum(marks)
    before = np.zeros_like(counted)
    before[length:] = counted[:-length]
    return np.asarray(counted > before)
