"""Thresholds that follow: factors on the scores of a calibration, from the scores of the last days.

A renewal keeps the score distribution of a full calibration and stretches it, by a factor for each
entity, so that the share of the recent rows above the threshold is the promised one. P-values,
what is held and strengths stretch alike. The rows carry no labels. Two rules keep an event under
way from raising its own threshold: the rows of events that reach STRONG times the threshold in
force are left out for `accept` after the begin of each, after which they are taken as a new level
of normal; and so are those of confirmed events, for good. Of weaker events, those of a few days are
left out: rows above the threshold of the full calibration, on the tenth of the days that have most
of them. Else the rows of one event are more than a rare threshold may flag in weeks.

Two rules keep what is left out from breaking the promise. Other weak events stay in the sample:
what is left out because it is above the threshold lowers the next one, until everything is flagged.
And of all rows, strong events or not, no more than `within` times the promised share are above a
renewed threshold: events that come again and again begin anew each time, and would be left out for
ever. Nor are more of the last two days: where normal changes, days pass before it shows in weeks,
and the threshold falls again when these two are over.
The figures by which the rules were chosen are in docs/internals/detection-log.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.accepted_rules import AcceptedRule
from aedetect.calibration.bounds import FEWEST, RECENT
from aedetect.calibration.calibration import Calibration
from aedetect.calibration.conformal import Reference
from aedetect.calibration.groups import Group
from aedetect.calibration.stretches import SortedScores
from aedetect.errors import CalibrationRefused
from aedetect.events.grouping import group_rows
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32, Int64
    from aedetect.calibration.forecast import Timing
    from aedetect.calibration.held_out import HeldOut

FEW_DAYS = 0.1  # of those with rows
STRONG = 2.0  # times the threshold in force: the peak from which an event is left out
MIN_ROWS = 500  # of an entity, below which its factor stays as it was
_DAY = NANOSECONDS["d"]
_SLACK, _TINY = 1e-9, 1e-12  # of a rank, for rounding; of a threshold
# A quiet week does not make it nervous: for each of the weeks taken, a threshold may fall to this
# part. In four it may leave behind what an event among few held-out rows made of it.
LOWEST, _WEEK = 0.5, 7.0  # times the threshold of the full calibration; days


@dataclass(frozen=True)
class Renewal:
    """A stored renewal: the calibration that it stretches, and since when it is in force."""

    version: int
    since: int  # ns; rows before are judged by the calibration before
    base: int  # version of the full calibration
    pooled: float = 1.0  # factor of the threshold that entities without their own one share
    factors: Mapping[int, float] = field(default_factory=dict)  # of those with their own, by code
    accepted: tuple[AcceptedRule, ...] = ()  # column rules that flag nothing while it is in force


@dataclass(frozen=True)
class Factors:
    """The factors of a renewal, and the rows that they rest on."""

    pooled: float
    own: Mapping[int, float]
    rows: int  # taken
    left_out: int  # of strong and confirmed events
    unchanged: int  # entities with too few rows, whose factor stays as it was


def choose_factors(
    rows: HeldOut,
    threshold: Float64,
    base: Calibration,
    *,
    timing: Timing,
    accept: int,
    within: float,
    before: Renewal | None = None,
) -> Factors:
    """Choose factors at which the promised share of recent rows is flagged.

    Shapes: rows (n,) ordered by entity and time, `anomaly` those of confirmed events, `suspect`
    those that are left out already; threshold (n,) in force at each row. `accept` (ns) is how long
    the rows of a strong event are left out; `within` times the promised share of all rows are
    flagged at most, and of those of the last two days. The threshold is the score of the
    conformal rank, as in `Reference.score_at`.
    Raises CalibrationRefused when no entity has enough rows.
    """
    usable = ~(rows.anomaly | rows.suspect)
    taken = rows.take(usable & ~strong_rows(rows, threshold, timing, accept=accept))
    codes = sorted(base.own)
    promised = [base.own[code].threshold for code in codes] + [base.threshold]
    rate, value = (np.array([getattr(t, name) for t in promised]) for name in ("rate", "value"))
    taken = taken.take(~_on_few_days(taken, _groups(taken.entity, codes), value))
    count = np.bincount(_groups(taken.entity, codes), minlength=len(promised))
    need = np.maximum(MIN_ROWS, np.ceil(1 / rate).astype(np.int64))
    enough = count >= need
    if not enough.any():
        raise CalibrationRefused(
            f"a renewal needs {int(need.min()):,} scored rows of an entity outside strong events, "
            f"got {int(count.max()):,}: wait for more, or raise [calibration] renew_from"
        )
    most = _bounds(rows.take(usable), codes, np.minimum(rate * within, 1.0))
    found = np.maximum(_levels(taken, codes, rate), most)
    lowest = LOWEST ** np.maximum(_days(taken, codes) / _WEEK, 1.0)
    ratio = np.maximum(found / np.maximum(value, _TINY), lowest)
    new = {place: float(ratio[place]) for place in np.flatnonzero(enough).tolist()}
    own = {code: new[place] for place, code in enumerate(codes) if place in new}
    own = (dict(before.factors) if before else {}) | own
    shared = before.pooled if before else 1.0
    if not codes or (count[-1] and enough[-1]):
        shared = new[len(codes)]
    elif not count[-1]:  # only entities that are seen later share it
        shared = float(np.median(list(own.values())))
    there = np.unique(_groups(rows.entity, codes))
    return Factors(
        pooled=shared,
        own=own,
        rows=len(taken),
        left_out=len(rows) - len(taken),
        unchanged=int((~enough[there]).sum()),
    )


def _groups(entity: Int32, codes: Sequence[int]) -> Int32:
    """Return the place of each row's entity among those with their own threshold, else the last."""
    if not codes:
        return np.zeros(len(entity), dtype=np.int32)
    known = np.array(codes)
    place = np.minimum(np.searchsorted(known, entity), len(codes) - 1)
    return np.where(known[place] == entity, place, len(codes)).astype(np.int32)


def _days(rows: HeldOut, codes: Sequence[int]) -> Float64:
    """Return on how many days each group has rows: (G,)."""
    found = np.unique(np.stack([_groups(rows.entity, codes), rows.time // _DAY]), axis=1)[0]
    return np.bincount(found, minlength=len(codes) + 1).astype(np.float64)


def _on_few_days(rows: HeldOut, group: Int32, value: Float64) -> Bool:
    """Mark the rows above the value of their group on its few days with most of them: (n,)."""
    above = rows.score > value[group]
    _, day = np.unique(rows.time // _DAY, return_inverse=True)
    days = int(day.max(initial=-1)) + 1
    place = group.astype(np.int64) * days + day
    shape, size = (len(value), days), len(value) * days
    most = np.bincount(place, above, minlength=size).reshape(shape)
    there = (np.bincount(place, minlength=size).reshape(shape) > 0).sum(axis=1)
    order = np.argsort(np.argsort(-most, axis=1, kind="stable"), axis=1, kind="stable")
    few = order < np.floor(FEW_DAYS * there + _SLACK)[:, None]
    return np.asarray(above & few.ravel()[place])


def _bounds(rows: HeldOut, codes: Sequence[int], share: Float64) -> Float64:
    """Return the thresholds above which a share of all rows is, or of those of the last days: (G,).

    Of so few late rows that one event would decide, nothing follows.
    """
    late = rows.take(rows.time >= rows.time.max() - RECENT)
    count = np.bincount(_groups(late.entity, codes), minlength=len(share))
    recent = _levels(late, codes, share)
    recent[count * share < FEWEST] = 0.0
    return np.maximum(_levels(rows, codes, share), recent)


def _levels(rows: HeldOut, codes: Sequence[int], share: Float64) -> Float64:
    """Return the score of the conformal rank at a share of each group: (G,); of none: 0."""
    group = _groups(rows.entity, codes)
    count = np.bincount(group)
    above = np.floor((count + 1) * share[: len(count)] + _SLACK).astype(np.int64)
    levels = np.zeros(len(share))
    found = SortedScores.of(replace(rows, entity=group)).with_above(above)
    levels[: len(count)] = np.where(count > 0, found, 0.0)
    return levels


def strong_rows(rows: HeldOut, threshold: Float64, timing: Timing, *, accept: int) -> Bool:
    """Mark the rows of strong events, up to `accept` (ns) after the begin of each: (n,)."""
    above = np.flatnonzero(rows.score > threshold)
    marked = np.zeros(len(rows), dtype=np.bool_)
    if not len(above):
        return marked
    entity = rows.entity[above]
    found = group_rows(rows.time[above], entity, merge_gap=_merge_gap(rows, above, timing))
    peak = np.maximum.reduceat(rows.score[above] / threshold[above], found.first)
    first, last = above[found.first], above[found.last]
    chosen = peak >= STRONG
    steps = np.zeros(len(rows) + 1, dtype=np.int64)
    np.add.at(steps, first[chosen], 1)
    np.add.at(steps, last[chosen] + 1, -1)
    inside = np.cumsum(steps)[:-1] > 0
    begin = np.full(len(rows), -1, dtype=np.int64)
    begin[first] = first
    begin = np.maximum.accumulate(begin)
    young = rows.time - rows.time[np.maximum(begin, 0)] < accept
    return np.asarray(inside & young)


def renewed(base: Calibration, renewal: Renewal) -> Calibration:
    """Return a full calibration with the factors of a renewal."""
    scored = renewal.since - int(base.held_out.time.max(initial=0))
    pooled = _stretched(base, renewal.pooled)
    own = {
        code: _stretched(group, renewal.factors.get(code, 1.0)) for code, group in base.own.items()
    }
    return replace(
        base,
        reference=pooled.reference,
        threshold=pooled.threshold,
        promise=base.promise.grown(scored),
        own=own,
        version=renewal.version,
        since=renewal.since,
        accepted=renewal.accepted,
    )


def _stretched(group: Group | Calibration, factor: float) -> Group:
    """Multiply the scores of a group, its tail and its threshold."""
    tail = group.reference.tail
    reference = Reference(
        group.reference.scores * np.float32(factor),
        replace(tail, start=tail.start * factor, scale=tail.scale * factor),
    )
    threshold = replace(group.threshold, value=group.threshold.value * factor)
    return Group(reference, threshold, group.forecast)


def _merge_gap(rows: HeldOut, above: Int64, timing: Timing) -> int | Int64:
    own = timing.own
    return timing.rules.merge_gap if own is None else own.merge_gap[own.rows(rows.entity[above])]
