"""How many events thresholds would have given on the held-out rows, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Float64, Int64
from aedetect.calibration.held_out import HeldOut
from aedetect.data import Schema
from aedetect.events import EventRules
from aedetect.events.grouping import REPORTED, group_rows, suppressed_groups
from aedetect.events.settings import EventSettings
from aedetect.timestamps import NANOSECONDS

REPLICATES = 1000  # of the bootstrap
INTERVAL = 0.9  # of the replicates lie between low and high
_NONE = -math.log((1 - INTERVAL) / 2)  # events expected where none is so rare
WINDOWS_A_BLOCK = 5  # at least; scores of neighbouring windows share rows
_DRAWS = 1_000_000  # of blocks at a time
_PIECES = 4  # of a block: where blocks may begin


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What is needed to count events: all in ns, and the rows of a window."""

    rules: EventRules
    period: int
    max_gap: int
    length: int

    @classmethod
    def of(cls, settings: EventSettings, *, schema: Schema, length: int) -> Timing:
        """Take it from the settings of events and from what is known of the rows."""
        rules = EventRules.of(settings, max_gap=schema.max_gap)
        return cls(rules=rules, period=schema.period, max_gap=schema.max_gap, length=length)


@dataclass(frozen=True)
class Forecast:
    """Events on held-out rows, and what that says of days to come."""

    events: int  # reported ones, on rows at or above the threshold
    days: float  # with scored rows
    per_day: float
    low: float  # events per day, of the interval
    high: float


def reported(rows: HeldOut, flagged: Bool, rules: EventRules) -> Int64:
    """Return the first row of each event that is reported: (n,) -> (S,)."""
    chosen = np.flatnonzero(flagged)
    time, entity = rows.time[chosen], rows.entity[chosen]
    found = group_rows(time, entity, bridge=rules.bridge)
    told = suppressed_groups(time, entity, found, rules) == REPORTED
    return np.asarray(chosen[found.first[told]])


def covered(rows: HeldOut, timing: Timing, *, together: bool) -> Int64:
    """Return the time that each row adds to what is covered by scored rows, in ns: (n,).

    A row covers the step from the row before it, or one period behind a gap. With `together`, time
    that several entities cover counts once: events in all come by the calendar, not by entity.
    """
    step = np.full(len(rows), timing.period, dtype=np.int64)
    gone = np.diff(rows.time)
    follows = (rows.entity[1:] == rows.entity[:-1]) & (gone <= timing.max_gap)
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
    """Return the sum of lengths of time (ns) in days."""
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
    """Count events on normal held-out rows, of which those at or above the threshold are flagged.

    A row at the threshold counts: the threshold is one of these rows, so that a new row lies above
    it as often as one of these lies at or above it. The interval is that of a moving-block
    bootstrap over time: Kuensch: The jackknife and the bootstrap for general stationary
    observations (1989). It says what the held-out time leaves open, not what the choice of the
    threshold on the same rows does. `beyond` is how many rows are expected above thresholds that no
    held-out row reaches; they can be as many events.

    Where there was no event, resampling shows none: then `high` is the rate at which none in that
    time would be as rare as the interval allows: Garwood: Fiducial limits for the Poisson
    distribution (1936).
    """
    first = reported(rows, flagged, timing.rules)
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
    most = float(high) + more if len(first) else max(_NONE / total, more)
    return Forecast(len(first), total, len(first) / total + more, float(low), most)


def _block(rows: HeldOut, timing: Timing) -> int:
    """Return the length of a block in ns.

    It grows with the cube root of the rows: Hall, Horowitz, Jing: On blocking rules for the
    bootstrap with dependent data (1995). It holds several windows, and an event with its cool-down.
    """
    length = max(round(len(rows) ** (1 / 3)), WINDOWS_A_BLOCK * timing.length) * timing.period
    rules = timing.rules
    return int(max(length, rules.bridge + rules.min_duration + rules.cool_down))


def _replicates(events: Int64, exposure: Float64, *, seed: int) -> Float64:
    """Return event rates of resampled blocks: (P,), (P,) pieces -> (REPLICATES,) per day.

    Blocks wrap around the end, so that every piece is in equally many: Politis, Romano: A circular
    block-resampling procedure for stationary data (1992). Events over time, because blocks with
    gaps cover less of it.
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
