"""The score "ensemble": what is seen of a row at several time scales, decided together.

Members, each a mean over the last rows that were scored:

    residual   squared residual, over 1, 10 and 60 rows: short faults and long ones
    deviation  squared distance from the mean of the last 16 rows, over 1 and 30 rows: no model
    switches   squared residual of the columns of two values, over 1 row
    shape      squared distance of a window from the nearest typical shape, see `shapes`; of windows
               of the network's length and of long ones

Each is taken relative to its unit u, a high quantile of the entity's rows that calibration does not
hold, as l = log(1 + member / u). The score is

    ((sqrt l(R10) + sqrt l(V30))^2 + (l(R1) + l(V1) + l(R60) + w l(N1) + w l(N2)) / 2 + l(S))
    / level^(1/4)

where l(S) = max(0, log(S / u)) / 2, w is the weight of shapes, 0 unless the evidence speaks for
them (`aedetect.jobs.choice`), and the level is the mean of min(1, l(R1) + l(V1)) over the
last 720 periods: of an entity that has become restless, more is expected, yet an incident does not
hide itself. The form was chosen by the labels of four sets (docs/benchmarks.md, Detection), and the
promise never rests on it: the threshold is calibrated on scores of the same kind.

Means are exact and reach a bounded time back, so that a row's score is the same to the bit in any
batch. A score splits over features, see `EnsembleParts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from aedetect.arrays import Bool, Float32, Float64, Int64, count_in_row
from aedetect.detector.shapes import ShapeErrors
from aedetect.detector.ticks import GRID, TICKS
from aedetect.detector.trailing import (
    Means,
    first_of_last,
    first_rows,
    reaching,
)

RESIDUAL_ROWS = (1, 10, 60)
DEVIATION_ROWS = (1, 30)
MEMBERS = ("R1", "R10", "R60", "V1", "V30", "S1", "N1", "N2")
SWITCHES = MEMBERS.index("S1")
LEVEL = len(MEMBERS)  # place of the typical level, after the units of the members
BASELINE_ROWS = 16  # in the mean that a deviation is measured from
LEVEL_ROWS = 720  # periods
LEVEL_POWER = 1 / 4
HIGHEST = 1.0  # of a row in the level: more would let an incident hide its own later rows
PRIOR = 4  # rows that the typical level counts as
LEAST = 1e-9
_REACH = max(*RESIDUAL_ROWS, *DEVIATION_ROWS)


@dataclass(frozen=True)
class RowErrors:
    """What is seen of rows alone, in order (M, ...).

    Shapes: tick (M,); residual and deviation (M, F), squared, 0 where not observed; seen (M, F)
    whether observed; used (M,) False where means leave the row out; switches (F,) which features
    have two values; shapes, the distances of M rows.
    """

    tick: Int64
    residual: Float32
    deviation: Float32
    seen: Bool
    used: Bool
    switches: Bool
    shapes: ShapeErrors

    @cached_property
    def counted(self) -> tuple[Int64, Int64]:
        """How many features and how many switches are observed in each row, at least 1: (M,)."""
        return self._count(~self.switches), self._count(self.switches)

    @cached_property
    def row_means(self) -> tuple[Float64, Float64, Float64]:
        """The mean residual, deviation and residual of switches of each row: (M,) each."""
        plain, switched = self.counted
        return (
            _sums(self.residual, ~self.switches) / plain,
            _sums(self.deviation, ~self.switches) / plain,
            _sums(self.residual, self.switches) / switched,
        )

    def take(self, rows: Int64) -> RowErrors:
        """Return what is seen of some of the rows."""
        return RowErrors(
            self.tick[rows],
            self.residual[rows],
            self.deviation[rows],
            self.seen[rows],
            self.used[rows],
            self.switches,
            self.shapes.take(rows),
        )

    def replaced(self, place: Int64, other: RowErrors) -> RowErrors:
        """Return the errors with others at some places (K,); what is observed stays."""
        residual, deviation = self.residual.copy(), self.deviation.copy()
        residual[place], deviation[place] = other.residual, other.deviation
        shapes = self.shapes.replaced(place, other.shapes)
        return replace(self, residual=residual, deviation=deviation, shapes=shapes)

    def _count(self, which: Bool) -> Int64:
        chosen = self.seen if which.all() else self.seen[:, which]
        return np.maximum(count_in_row(chosen), 1)


def _sums(cells: Float32, which: Bool) -> Float64:
    """Add up some columns of each row: (M, F), (F,) -> (M,).

    By einsum, which is fast along a short axis, and adds the cells of a row in one order.
    """
    if not which.any():
        return np.zeros(len(cells))
    chosen = cells if which.all() else np.ascontiguousarray(cells[:, which])
    return np.asarray(np.einsum("mf->m", chosen), dtype=np.float64)


def needed_rows(tick: Int64, can: Bool, wanted: Int64) -> Int64:
    """Return the rows that scores of the wanted rows depend on, those among them: (R,), (N,)."""
    near = reaching(tick, wanted, rows=_REACH)
    far = reaching(tick, wanted, rows=LEVEL_ROWS) & sampled(tick)
    return np.flatnonzero(can & (near | far))


def sampled(tick: Int64) -> Bool:
    """Return which rows the level is taken from, one in eight periods: (R,) -> (R,)."""
    return np.asarray(tick % (TICKS * GRID) < TICKS)


def first_of_members(tick: Int64, at: Int64) -> tuple[Int64, ...]:
    """Return the first row that each member of rows takes in, shapes apart: six of (N,)."""
    return tuple(first_rows(tick, at, rows=n) for n in (*RESIDUAL_ROWS, *DEVIATION_ROWS, 1))


def member_values(errors: RowErrors, at: Int64) -> Float64:
    """Return the members of the rows at some positions: (N,) -> (8, N)."""
    residual, deviation, switched = (Means.of(each, errors.used) for each in errors.row_means)
    of = (*(residual,) * len(RESIDUAL_ROWS), *(deviation,) * len(DEVIATION_ROWS), switched)
    first = first_of_members(errors.tick, at)
    means = [each.between(n, at) for each, n in zip(of, first, strict=True)]
    return np.concatenate([np.stack(means), errors.shapes.distance[:, at]])


def rows_of_members(tick: Int64, at: Int64) -> Int64:
    """Return the rows that the members of the rows at some positions take in: (N,) -> (K,)."""
    first = first_rows(tick, at, rows=_REACH)
    change = np.zeros(len(tick) + 1, dtype=np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, at + 1, -1)
    return np.flatnonzero(np.cumsum(change[:-1]) > 0)


def logarithms(values: Float64, typical: Float32) -> Float64:
    """Return members relative to their units: (8, N), (N, 9) -> (8, N)."""
    relative = values / typical[:, :LEVEL].T.astype(np.float64)
    logs = np.log1p(relative)
    logs[SWITCHES] = np.log(np.maximum(relative[SWITCHES], 1)) / 2
    return np.asarray(logs)


def restlessness(errors: RowErrors, typical: Float32, at: Int64) -> Float64:
    """Return the level of the rows at some positions: (N,) -> (N,).

    Shapes: typical (M, 9) of the entity of each row of the errors.
    """
    counts = sampled(errors.tick) & errors.used
    chosen = np.flatnonzero(counts)
    own = typical[at, LEVEL].astype(np.float64)
    if not len(chosen):
        return np.asarray(own)
    residual, deviation, _ = errors.row_means
    alone = excitement(residual[chosen], deviation[chosen], typical[chosen])
    tick = errors.tick[chosen]
    number = np.cumsum(counts)[at]
    last = np.maximum(number - 1, 0)
    before = errors.tick[at] - LEVEL_ROWS * TICKS
    oldest = first_of_last(tick, last, before, rows=LEVEL_ROWS // GRID)
    number = np.where(number > 0, np.maximum(last + 1 - oldest, 0), 0)
    every = np.ones(len(chosen), dtype=np.bool_)
    mean = Means.of(alone, every).between(np.minimum(oldest, last), last)
    return np.asarray((mean * number + own * PRIOR) / (number + PRIOR))


def excitement(residual: Float64, deviation: Float64, typical: Float32) -> Float64:
    """Return what rows alone add to the level: mean errors (N,), (N,), typical (N, 9) -> (N,)."""
    pairs = ((residual, MEMBERS.index("R1")), (deviation, MEMBERS.index("V1")))
    total = sum(np.log1p(each / typical[:, n]) for each, n in pairs)
    return np.asarray(np.minimum(total, HIGHEST))


def ensemble_score(logs: Float64, level: Float64, *, weight: float) -> Float64:
    """Return the score from the members' logarithms and the level: (8, N), (N,) -> (N,).

    The weight is that of the shapes.
    """
    r1, r10, r60, v1, v30, s1, n1, n2 = logs
    both = np.square(np.sqrt(r10) + np.sqrt(v30))
    total = both + (r1 + v1 + r60 + weight * (n1 + n2)) / 2 + s1
    return np.asarray(total / np.maximum(level, LEAST) ** LEVEL_POWER)


def member_parts(logs: Float64, level: Float64, *, weight: float) -> Float64:
    """Return what each member adds to the score: (8, N), (N,) -> (8, N), summing to the score."""
    r1, r10, r60, v1, v30, s1, n1, n2 = logs
    cross = np.sqrt(r10 * v30)
    shapes = (weight * n1 / 2, weight * n2 / 2)
    parts = np.stack([r1 / 2, r10 + cross, r60 / 2, v1 / 2, v30 + cross, s1, *shapes])
    return np.asarray(parts / np.maximum(level, LEAST) ** LEVEL_POWER)
