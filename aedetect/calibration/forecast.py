"""The expected number of events, estimated on the held-out rows, with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.calibration.held_out import HeldOut
from aedetect.data import Schema
from aedetect.events import EventRules
from aedetect.events.grouping import (
    REPORTED,
    Segments,
    group_held,
    suppressed_groups,
    usual_merge_gap,
)
from aedetect.events.settings import EventSettings
from aedetect.timestamps import NANOSECONDS

REPLICATES = 1000  # of the bootstrap
INTERVAL = 0.9  # of the replicates lie between low and high
_NONE = -math.log(
    (1 - INTERVAL) / 2
)  # expected events at which observing none has probability (1 - INTERVAL) / 2
WINDOWS_A_BLOCK = 5  # at least, because scores of neighbouring windows share rows
_DRAWS = 1_000_000  # block draws at a time
_PIECES = 4  # per block; blocks start at these


@dataclass(frozen=True)
class OwnTiming:
    """The durations of each entity, and last those of all together: (E + 1,) in ns."""

    period: Int64
    max_gap: Int64
    merge_gap: Int64

    @property
    def stay(self) -> Int64:
        """The longest step between rows that are held: (E + 1,)."""
        return np.minimum(self.max_gap, self.merge_gap)

    @classmethod
    def of(
        cls, schema: Schema, entities: Sequence[str | None], *, merge_gap: int | None
    ) -> OwnTiming | None:
        """Return those of the entities; None when all are alike. A merge gap is that of all."""
        if not schema.rates or not entities:
            return None
        period = np.append(schema.spread(entities, "period"), schema.period)
        gap = np.append(schema.spread(entities, "max_gap"), schema.max_gap)
        own = usual_merge_gap(gap, period) if merge_gap is None else np.full(len(gap), merge_gap)
        return cls(period, gap, own)

    def rows(self, entity: Int32) -> Int64:
        """Return which row of the durations holds for each held-out row: (n,) -> (n,)."""
        last = len(self.period) - 1
        return np.where((entity >= 0) & (entity < last), entity, last)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Durations needed to count events, in ns, and the window length in rows."""

    rules: EventRules
    period: int
    max_gap: int
    length: int
    own: OwnTiming | None = None  # of entities that are sampled at other rates

    @classmethod
    def of(
        cls,
        settings: EventSettings,
        *,
        schema: Schema,
        length: int,
        entities: Sequence[str | None] = (),
    ) -> Timing:
        """Build it from settings and schema; the entities are as held-out rows number them."""
        rules = EventRules.of(settings, max_gap=schema.max_gap, period=schema.period)
        own = OwnTiming.of(
            schema, entities, merge_gap=rules.merge_gap if settings.merge_gap else None
        )
        period, gap = schema.period, schema.max_gap
        return cls(rules=rules, period=period, max_gap=gap, length=length, own=own)


@dataclass(frozen=True)
class Forecast:
    """Events on held-out rows, and the rate to expect on new data."""

    events: int  # reported ones, on rows at or above the threshold
    days: float  # with scored rows
    per_day: float
    low: float  # events per day, of the interval
    high: float


def reported(
    rows: HeldOut, flagged: Bool, rules: EventRules, own: OwnTiming | None = None
) -> Int64:
    """Return the first row of each event that is reported: (n,) -> (S,)."""
    return form_groups(rows, flagged, rules, own)[0]


def form_groups(
    rows: HeldOut, flagged: Bool, rules: EventRules, own: OwnTiming | None = None
) -> tuple[Int64, Int64]:
    """Return the first and the last flagged row of each event that is reported: (n,) -> (S,)."""
    kept = np.flatnonzero(flagged if rows.held is None else flagged | rows.held)
    entity = rows.entity[kept]
    segments = Segments.of_rows(entity, rows.time[kept], flagged[kept])
    which = None if own is None else own.rows(entity)
    merge_gap = rules.merge_gap if own is None else own.merge_gap[which]
    stay = rules.stay if own is None else own.stay[which]
    found = group_held(segments, merge_gap=merge_gap, stay=stay)
    chosen = kept[segments.flagged]
    time = rows.time[chosen]
    is_reported = suppressed_groups(time, rows.entity[chosen], found, rules) == REPORTED
    return chosen[found.first[is_reported]], chosen[found.last[is_reported]]


def covered(rows: HeldOut, timing: Timing, *, together: bool) -> Int64:
    """Return the time that each row adds to the time covered by scored rows, in ns: (n,).

    A row covers the step since the previous row, or one period after a gap. With `together`, time
    covered by several entities counts once, for rates of all entities per calendar day.
    """
    own = timing.own
    which = None if own is None else own.rows(rows.entity)
    period = timing.period if own is None else own.period[which]
    gap = timing.max_gap if own is None else own.max_gap[which][1:]
    step = np.full(len(rows), period, dtype=np.int64)
    gone = np.diff(rows.time)
    follows = (rows.entity[1:] == rows.entity[:-1]) & (gone <= gap)
    step[1:][follows] = gone[follows]
    if not together or not len(rows):
        return step
    begin = rows.time - step
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], rows.time[order]
    reach = np.maximum.accumulate(end)
    begin[1:] = np.maximum(begin[1:], reach[:-1])
    added = np.empty_like(step)
    added[order] = np.maximum(end - begin, 0)
    return added


def days(time: Int64) -> float:
    """Return the sum of durations (ns) in days."""
    return float(time.sum()) / NANOSECONDS["d"]


def forecast(
    rows: HeldOut,
    flagged: Bool,
    timing: Timing,
    *,
    together: bool,
    beyond: float = 0.0,
    seed: int = 0,
) -> Forecast:
    """Count events on normal held-out rows; rows at or above the threshold are flagged.

    A row at the threshold counts, because the threshold is one of these scores: a new row lies
    above it as often as one of them lies at or above it. The interval comes from a moving-block
    bootstrap over time: Kuensch: The jackknife and the bootstrap for general stationary
    observations (1989). It covers the variation of the held-out time, not that of choosing the
    threshold on the same rows. `beyond` is the number of rows expected above thresholds that no
    held-out row reaches; each can be an event.

    Without any event, resampling shows none. Then `high` is the rate at which observing no event
    in that time is as rare as the interval allows: Garwood: Fiducial limits for the Poisson
    distribution (1936).
    """
    first = reported(rows, flagged, timing.rules, timing.own)
    time = covered(rows, timing, together=together)
    length = _block(rows, timing)
    place = rows.time // max(length // _PIECES, 1)
    pieces, index = np.unique(place, return_inverse=True)
    exposure = np.bincount(index, time) / NANOSECONDS["d"]
    events = np.bincount(index[first], minlength=len(pieces))
    rates = _replicates(events, exposure, seed=seed)
    low, high = np.quantile(rates, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    total = max(days(time), 1e-12)
    more = beyond / total
    upper = float(high) + more if len(first) else max(_NONE / total, more)
    return Forecast(len(first), total, len(first) / total + more, float(low), upper)


def _block(rows: HeldOut, timing: Timing) -> int:
    """Return the length of a block in ns.

    It grows with the cube root of the number of rows: Hall, Horowitz, Jing: On blocking rules for
    the bootstrap with dependent data (1995). A block is long enough for several windows, and for an
    event with its cool-down.
    """
    length = max(round(len(rows) ** (1 / 3)), WINDOWS_A_BLOCK * timing.length) * timing.period
    rules = timing.rules
    return int(max(length, rules.merge_gap + rules.min_duration + rules.cool_down))


def _replicates(events: Int64, exposure: Float64, *, seed: int) -> Float64:
    """Return event rates of resampled blocks: (P,), (P,) pieces -> (REPLICATES,) per day.

    Blocks wrap around the end, so that every piece is in the same number of blocks: Politis,
    Romano: A circular block-resampling procedure for stationary data (1992). Rates are events per
    covered time, because blocks with gaps cover less of it.
    """
    count = len(events)
    width = min(_PIECES, count)
    random = np.random.default_rng(seed)
    sums = []
    for values in (events, exposure):
        total = np.concatenate([[0], np.cumsum(np.concatenate([values, values[:width]]))])
        sums.append(total[width : width + count] - total[:count])
    per_replicate = -(-count // width)
    at_once = max(1, _DRAWS // per_replicate)
    rates = []
    for start in range(0, REPLICATES, at_once):
        drawn = random.integers(0, count, (min(at_once, REPLICATES - start), per_replicate))
        rates.append(sums[0][drawn].sum(axis=1) / np.maximum(sums[1][drawn].sum(axis=1), 1e-12))
    return np.concatenate(rates)
