"""Column rules: what a score cannot detect, because training holds no example to scale it by.

A column that was constant in training has no spread to measure a change against. A category that
training lacked has no column of the network. A stuck sensor stands within its usual range. One cell
far out is lost among many. Such rows are anomalies whatever their score, which stays that of the
network.

A rule looks at a row, and of its own column at the rows of a bounded time before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aedetect.arrays import Bool, Float64, Int8, Int32, Int64
from aedetect.data import Feature, Rows, Schema
from aedetect.detector.far_values import FarValues
from aedetect.detector.resting_values import RestingValues
from aedetect.detector.settings import RuleSettings
from aedetect.detector.still_columns import longest_runs, only_values
from aedetect.output.schemas import IS_FAR, IS_MISSING
from aedetect.preprocessing.preparation import MIN_ENTITY_ROWS
from aedetect.preprocessing.windows import exceeding

NONE, CONSTANT, UNSEEN, STUCK, MISSING, FAR = range(6)  # which rule a cell broke
REASONS = {
    CONSTANT: "{} changed, which was constant in training",
    UNSEEN: "{} has a value never seen in training",
    STUCK: "{} is stuck: the same for longer than ever in training",
    MISSING: "{}" + IS_MISSING,
    FAR: "{}" + IS_FAR,
}
_RESOLUTION = float(np.finfo(np.float32).eps)  # files may hold the same constant as float32
# How long a column may stay the same, against its longest run in training. Runs have heavy tails:
# the figures that chose these are in docs/benchmarks.md, Column rules.
_LONGER, _MUCH_LONGER = 3, 10
_MORE_ROWS = 60
_FEWEST_ROWS = 10  # at one value before a column can be stuck
MOST_ROWS = 1_000  # at one value: a column that would need more has no such rule


@dataclass(frozen=True, kw_only=True)
class ColumnRules:
    """What the rules learnt of the normal rows. Shapes: E entities, F features.

    constant (E + 1, F) the only value, NaN where there were others; still (E + 1, F) for how long
    a column may stay the same, in ns, NaN for ever. The last row is of all entities together, and
    the only one when all are scaled together. At a resting value a column may stay for ever.
    """

    constant: Float64
    still: Float64
    resting: RestingValues
    far: FarValues
    unseen_category: bool = True
    missing: bool = True

    @classmethod
    def fit(
        cls,
        rows: Rows,
        *,
        schema: Schema,
        settings: RuleSettings,
        per_entity: bool = True,
        resting: bool = True,
    ) -> ColumnRules:
        """Learn from all normal rows, the held-out ones among them: no rule flags one of these.

        Entities with few rows take what holds for all together. Without resting values, which take
        half of the time, the rules can be told and not applied.
        """
        few = np.diff(np.append(np.flatnonzero(rows.starts), len(rows))) < MIN_ENTITY_ROWS
        entities = len(few) if per_entity else 0
        constant = still = np.full((entities + 1, len(schema.features)), np.nan)
        moving: list[int] = []
        if settings.constant == "flag":
            constant = _chosen(only_values(rows), few, per_entity=per_entity)
        if settings.stuck == "flag":
            longest = longest_runs(rows, schema.features, schema.max_gaps(rows))
            limit = _stuck_after(longest, _steps(rows, schema)[:, None])
            still = _chosen(limit, few, per_entity=per_entity)
            periods = _periods(rows, schema)[-len(still) :, None]
            still = np.where(still > MOST_ROWS * periods, np.nan, still)
            moving = np.flatnonzero(~np.isnan(still).all(axis=0)).tolist() if resting else []
        far = FarValues.none(entities, len(schema.features))
        if settings.far == "flag":
            learnt = FarValues.fit(rows, schema.features, _periods(rows, schema))
            far = learnt.chosen(few, per_entity=per_entity)
        return cls(
            constant=constant,
            still=still,
            resting=RestingValues.fit(rows, moving, ~few[:entities]),
            far=far,
            unseen_category=settings.unseen_category == "flag",
            missing=settings.missing == "flag",
        )

    def lookback(self, max_gap: int) -> int:
        """Return how long before a row the rows may lie that a rule looks at, in ns."""
        if np.isnan(self.still).all():
            return self.far.lookback
        return max(int(np.nanmax(self.still)) + max_gap, self.far.lookback)

    def broken(self, rows: Rows, entity: Int32, schema: Schema) -> Int8:
        """Return which rule each cell breaks: entity (R,) as learnt -> (R, F), NONE for most."""
        found = np.where(self.far.find(rows, entity), np.int8(FAR), np.int8(NONE))
        for column in _with_a_rule(self.constant):
            only = self.constant[entity, column]
            found[_changed(rows.values[:, column], only), column] = CONSTANT
        unseen = UNSEEN if self.unseen_category else NONE
        for column, feature in enumerate(schema.features):
            if feature.is_text:
                found[rows.values[:, column] == -1, column] = unseen
        moving = _with_a_rule(self.still)
        if moving:
            breaks = rows.starts
            breaks[1:] |= exceeding(rows.time, schema.max_gaps(rows))
            same = rows.values[1:] == rows.values[:-1]  # a missing cell ends a run
            repeats = same.any(axis=0)
            for column in (each for each in moving if repeats[each]):
                begins = breaks.copy()
                begins[1:] |= ~same[:, column]
                still = _stuck(rows.time, begins, self.still[entity, column])
                rests = self.resting.include(rows.values[still, column], entity[still], column)
                found[still[~rests], column] = STUCK
        return found


def lost(gone: Bool, scored: Bool, rows: Rows, *, max_gap: Int64) -> Bool:
    """Return where a column is missing that the row before had: (R, F), scored (R,) -> (R, F).

    The longest step in a run is given for each row (R,), in ns.

    One row stands for all that follow without the column. The row before counts when it was scored
    and lies in the same run without a gap.
    """
    without = gone & scored[:, None]
    before = np.zeros_like(without)
    before[1:] = without[:-1] & ~(rows.starts[1:] | exceeding(rows.time, max_gap))[:, None]
    return without & ~before


def described_rules(rules: ColumnRules) -> dict[str, Any]:
    """Return the rules as JSON takes them: null for NaN."""
    arrays = {"constant": rules.constant, "still": rules.still}
    described = {
        name: [[None if np.isnan(cell) else cell for cell in row] for row in array.tolist()]
        for name, array in arrays.items()
    }
    plain = {"unseen_category": rules.unseen_category, "missing": rules.missing}
    learnt = {"resting": rules.resting.described(), "far": rules.far.described()}
    return {**described, **learnt, **plain}


def restored_rules(described: dict[str, Any]) -> ColumnRules:
    """Return the rules that `described_rules` wrote."""
    return ColumnRules(
        constant=np.array(described["constant"], dtype=np.float64),
        still=np.array(described["still"], dtype=np.float64),
        resting=RestingValues.restored(described["resting"]),
        far=FarValues.restored(described["far"]),
        unseen_category=bool(described["unseen_category"]),
        missing=bool(described["missing"]),
    )


def rule_reasons(features: Sequence[Feature]) -> tuple[str, ...]:
    """Return the reason of each rule and column, rule by rule."""
    return tuple(
        text.format(each.name if rule == MISSING else each.label)
        for rule, text in REASONS.items()
        for each in features
    )


def _changed(values: Float64, constant: Float64) -> Bool:
    """Return which cells differ from the constant, beyond the resolution of float32."""
    whole = (values == np.rint(values)) & (constant == np.rint(constant))
    resolution = np.where(whole, 0, _RESOLUTION * np.abs(constant))
    with np.errstate(invalid="ignore", over="ignore"):  # infinite values are not scored
        return np.asarray(np.abs(values - constant) > resolution)


def _chosen(learnt: Float64, few: Bool, *, per_entity: bool) -> Float64:
    """Return what holds for each entity, and last for all: (E + 1, F), or (1, F) for all alone."""
    if not per_entity:
        return learnt[-1:]
    learnt[:-1][few] = learnt[-1]
    return learnt


def _stuck_after(longest: Float64, step: Float64) -> Float64:
    """Return how long (ns) a column may stay the same: longest (E + 1, F), step (E + 1, 1).

    3 times its longest run and 60 rows, at most 10 times its longest run, and at least 10 rows.
    """
    limit = np.minimum(_MUCH_LONGER * longest, _LONGER * longest + _MORE_ROWS * step)
    return np.asarray(np.maximum(limit, _FEWEST_ROWS * step))


def _steps(rows: Rows, schema: Schema) -> Float64:
    """Return the mean step inside of windows of each entity, and last the period: (E + 1,) in ns.

    Where entities are sampled at other rates, one row of the slow ones is long.
    """
    step = np.diff(rows.time, prepend=rows.time[:1])
    counted = ~rows.starts & (step <= schema.max_gaps(rows))
    first = np.flatnonzero(rows.starts)
    total = np.add.reduceat(np.where(counted, step, 0), first)
    mean = total / np.maximum(np.add.reduceat(counted.astype(np.int64), first), 1)
    periods = _periods(rows, schema)
    return np.append(np.maximum(mean, periods[:-1]), periods[-1])


def _periods(rows: Rows, schema: Schema) -> Int64:
    """Return the period of each entity, and last the longest: (E + 1,) in ns."""
    own = schema.spread(rows.names, "period")[rows.entity[rows.starts]]
    return np.append(own, max(schema.period, int(own.max(initial=0))))


def _with_a_rule(limits: Float64) -> list[int]:
    """Return the columns that have a limit for any entity: (E + 1, F)."""
    return np.flatnonzero(~np.isnan(limits).all(axis=0)).tolist()


def _stuck(time: Int64, begins: Bool, limit: Float64) -> Int64:
    """Return the rows of runs that have lasted longer than the limit (R,) by then: (M,).

    `begins` (R,) marks the first row of each run, in which a column stays the same.
    """
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(time)) - 1
    long = time[last] - time[first] > limit[first]
    first, size = first[long], (last - first + 1)[long]
    begin = np.repeat(first, size)
    rows = begin + np.arange(len(begin)) - np.repeat(np.cumsum(size) - size, size)
    return np.asarray(rows[time[rows] - time[begin] > limit[rows]])
