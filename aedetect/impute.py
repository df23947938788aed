"""Missing cells filled by the model; cells that were observed stay as they are.

Reconstruction and filling take turns: what the model expects of a missing cell depends on the other
cells of its windows, of which some may be missing too. Two things make it better than that alone:

- it starts from linear interpolation, not from typical values
- what the model does not explain of the cells just before and after a gap goes on into it, fading:
  the best guess for a first-order autoregressive residual between two known ones

Measured by `benchmarks/impute.py`, with interpolation and medians beside it. The two settings were
chosen on the calibration part of the sample, which the network never saw, and measured on the part
after it. There is little to gain where every feature is missing at once: then nothing is left to
tell the model what happened, and interpolation does as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.expect import expect, in_units
from aedetect.prepare import apply
from aedetect.rewrite import Change, Reach
from aedetect.window import Matrix, positions

if TYPE_CHECKING:
    from aedetect.detector import Scorer
    from aedetect.ingest import Bool, Float, Int, Rows
    from aedetect.prepare import Prepared

TURNS = 5  # always as many, so that a cell depends on the rows around it alone
FADING = 0.8  # of a residual from row to row; 0.5 to 0.9 differ little
FADED = 100  # rows; from there on a residual is nothing beside float32's resolution
REACH = 1_000  # rows; further away no observed cell is looked for to interpolate from
FAR = 1e12  # sampling periods; where there is no such cell


@dataclass(frozen=True)
class _Gaps:
    """The missing cells of one column: rows (M,), and the observed cells before and after each.

    Shapes: before, after (M,) their rows, its own where there is none; since, until (M,) how far
    off they are in sampling periods, then FAR.
    """

    column: int
    rows: Int
    before: Int
    after: Int
    since: Float
    until: Float

    def between(self, values: Matrix, *, fading: float) -> Float:
        """Estimate what lies between known values, which fade with distance: (R,) -> (M,).

        The conditional mean of a first-order autoregressive process; a straight line when nothing
        fades.
        """
        left, right = _weights(self.since, self.until, fading)
        return np.asarray(left * values[self.before] + right * values[self.after])


def impute_reach(scorer: Scorer) -> Reach:
    """Say which rows around a row its filled cells depend on."""
    around = TURNS * (scorer.length - 1 + FADED) + REACH
    return Reach(behind=around, ahead=around, lookback=0)


def impute_rows(scorer: Scorer, rows: Rows) -> Change:
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
        prepared = apply(scorer.preparation, unique)
        filled, covered = _fill(scorer, unique, prepared)
        can = covered & (prepared.entity >= 0)
        values[kept] = in_units(scorer.preparation, filled, prepared)
        left = np.where(prepared.entity < 0, 1, 0)
        reason[kept] = np.where(missing[kept].any(axis=1) & ~can, left, -1)
    return Change(values=values, wanted=missing, reason=reason, reasons=reasons)


def _fill(scorer: Scorer, rows: Rows, prepared: Prepared) -> tuple[Matrix, Bool]:
    """Return the rows with missing cells filled, in model units: (R, D), and which could be."""
    length, known = scorer.length, prepared.observed
    breaks = rows.starts
    breaks[1:] |= np.diff(rows.time) > scorer.schema.max_gap
    back = positions(
        rows.time, starts=breaks, usable=prepared.entity >= 0, max_gap=scorer.schema.max_gap
    )
    ends = np.flatnonzero((back >= length - 1) & _any_within(np.any(~known, axis=1), length))
    matrix = prepared.matrix.copy()
    gaps = [
        _gaps(rows, ~known[:, column], breaks, column=column, period=scorer.schema.period)
        for column in np.flatnonzero(~known.all(axis=0)).tolist()
    ]
    for gap in gaps:
        matrix[gap.rows, gap.column] = 0  # typical, should there be nothing to interpolate from
        matrix[gap.rows, gap.column] = gap.between(matrix[:, gap.column], fading=1.0)
    covered = np.zeros(len(rows), dtype=np.bool_)
    for _ in range(TURNS):
        expected, covered = expect(scorer, matrix, ends)
        for gap in gaps:
            own = expected[:, gap.column]
            rest = np.where(covered, matrix[:, gap.column] - own, 0)
            new = own[gap.rows] + gap.between(rest, fading=FADING)
            chosen = covered[gap.rows]
            matrix[gap.rows[chosen], gap.column] = new[chosen]
    return matrix[:, : known.shape[1]], covered


def _any_within(marks: Bool, length: int) -> Bool:
    """Say which windows hold a marked row, by their last rows: (R,) -> (R,).

    >>> _any_within(np.array([True, False, False, False]), 2).tolist()
    [True, True, False, False]
    """
    counted = np.cumsum(marks)
    before = np.zeros_like(counted)
    before[length:] = counted[:-length]
    return np.asarray(counted > before)


def _gaps(rows: Rows, missing: Bool, breaks: Bool, *, column: int, period: int) -> _Gaps:
    """Find the observed cells around each missing one, no further than the next break: (R,)."""
    rank = np.arange(len(missing))
    first = np.maximum.accumulate(np.where(breaks, rank, 0))
    ends = np.append(breaks[1:], [True])
    last = np.minimum.accumulate(np.where(ends, rank, len(rank))[::-1])[::-1]
    before = np.maximum.accumulate(np.where(missing, -1, rank))
    after = np.minimum.accumulate(np.where(missing, len(rank), rank)[::-1])[::-1]
    at = np.flatnonzero(missing)
    before, after = before[at], after[at]
    no_before = (before < first[at]) | (at - before > REACH)
    no_after = (after > last[at]) | (after - at > REACH)
    before, after = np.where(no_before, at, before), np.where(no_after, at, after)
    since = np.where(no_before, FAR, (rows.time[at] - rows.time[before]) / period)
    until = np.where(no_after, FAR, (rows.time[after] - rows.time[at]) / period)
    return _Gaps(column, at, before, after, since, until)


def _weights(since: Float, until: Float, fading: float) -> tuple[Float, Float]:
    """Return what the known values before and after a gap weigh: (M,), (M,) -> (M,), (M,).

    >>> [weight.tolist() for weight in _weights(np.array([1.0]), np.array([3.0]), 1.0)]
    [[0.75], [0.25]]
    """
    if fading == 1:
        left = until / (since + until)
        return left, 1 - left
    near, far = fading**since, fading**until
    whole = np.maximum(1 - (near * far) ** 2, 1e-9)
    return near * (1 - far**2) / whole, far * (1 - near**2) / whole
