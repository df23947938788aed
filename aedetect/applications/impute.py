"""Missing cells filled by the model; cells that were observed stay as they are.

Reconstruction and filling take turns: what the model expects of a missing cell depends on the other
cells of its windows, of which some may be missing too. Two things make it better than that alone:

- it starts from linear interpolation, not from typical values
- what the model does not explain of the cells before and after a gap goes on into it: its level
  over some rows stays, which makes up for drift since training, and what is beside the level fades,
  as the best guess for a first-order autoregressive residual between two known ones

Measured by `benchmarks/impute.py`, with interpolation and medians beside it. The settings were
chosen on the calibration part of the sample, which the network never saw, and measured on the part
after it too. It is meant for cells of some features while others are there, for minutes or hours.
Where every feature is missing at once nothing tells the model what happened: over several rows,
interpolation is then as good or better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.gaps import LEVEL, REACH, Gaps, find_gaps
from aedetect.applications.overlap import expect, in_units
from aedetect.applications.rewrite import CellChange, Context
from aedetect.arrays import Float32
from aedetect.preprocessing import positions

if TYPE_CHECKING:
    from aedetect.arrays import Bool
    from aedetect.data import Rows
    from aedetect.detector import Scorer
    from aedetect.preprocessing import Prepared

TURNS = 3  # always as many, so that a cell depends on the rows around it alone


def impute_reach(scorer: Scorer) -> Context:
    """Say which rows around a row its filled cells depend on."""
    around = TURNS * (scorer.length - 1 + LEVEL + REACH) + REACH
    return Context(behind=around, ahead=around, lookback=0)


def impute_rows(scorer: Scorer, rows: Rows) -> CellChange:
    """Fill the missing cells of rows that lie in a run as long as a window, however few they hold.

    How long a cell has been missing does not matter, unlike for scoring.
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
        unique = rows.take(kept)
        prepared = scorer.preparation.transform(unique)
        filled, covered = _fill(scorer, unique, prepared)
        can = covered & (prepared.entity >= 0)
        values[kept] = in_units(scorer.preparation, filled, prepared)
        left = np.where(prepared.entity < 0, 1, 0)
        reason[kept] = np.where(missing[kept].any(axis=1) & ~can, left, -1)
    return CellChange(values=values, wanted=missing, reason=reason, reasons=reasons)


def _fill(scorer: Scorer, rows: Rows, prepared: Prepared) -> tuple[Float32, Bool]:
    """Return the rows with missing cells filled, in model units: (R, D), and which could be."""
    schema, known = scorer.schema, prepared.observed
    breaks = rows.starts
    breaks[1:] |= np.diff(rows.time) > schema.max_gap
    back = positions(rows.time, starts=breaks, usable=prepared.entity >= 0, max_gap=schema.max_gap)
    wanted = _any_within(np.any(~known, axis=1), scorer.length)
    ends = np.flatnonzero((back >= scorer.length - 1) & wanted)
    matrix = prepared.matrix.copy()
    gaps = [
        find_gaps(rows, ~known[:, column], breaks, column=column, period=schema.period)
        for column in np.flatnonzero(~known.all(axis=0)).tolist()
    ]
    for gap in gaps:
        matrix[gap.rows, gap.column] = 0  # typical, should there be nothing to draw a line from
        matrix[gap.rows, gap.column] = gap.straight(matrix[:, gap.column])
    covered = np.zeros(len(rows), dtype=np.bool_)
    for _ in range(TURNS):
        expected, covered = expect(scorer, matrix, ends)
        for gap in gaps:
            _explain(matrix[:, gap.column], expected[:, gap.column], gap, known, covered)
    return matrix[:, : known.shape[1]], covered


def _explain(cells: Float32, expected: Float32, gap: Gaps, known: Bool, covered: Bool) -> None:
    """Replace missing cells of a column by what is expected and what is carried: (R,), (R,)."""
    rest = np.where(covered, cells - expected, 0)
    new = expected[gap.rows] + gap.carried(rest, known[:, gap.column] & covered)
    chosen = covered[gap.rows]
    cells[gap.rows[chosen]] = new[chosen]


def _any_within(marks: Bool, length: int) -> Bool:
    """Say which windows hold a marked row, by their last rows: (R,) -> (R,).

    >>> _any_within(np.array([True, False, False, False]), 2).tolist()
    [True, True, False, False]
    """
    counted = np.cumsum(marks)
    before = np.zeros_like(counted)
    before[length:] = counted[:-length]
    return np.asarray(counted > before)
