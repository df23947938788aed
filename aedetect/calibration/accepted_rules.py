"""Column rules that a renewal accepts: a new state, a new constant, a sensor that stays dead.

No threshold follows what a rule flags, so that a state which training lacked, or a sensor that
died, would be in alarm until the next training. So what holds for scores holds for rules: of the
rows of an entity, all and those of the last two days, one rule on one column flags no more than
`within` times the promised share. Beyond that, and on at least two days, it is taken as normal, for
as long as renewals look back; then it is told again if it is still so. What was over within a day
is no new normal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.bounds import FEWEST, RECENT
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int32, Int64

_DAY = NANOSECONDS["d"]
_FEWEST_DAYS = 2


@dataclass(frozen=True)
class AcceptedRule:
    """A rule on a column that flags no row of an entity, up to a time."""

    entity: int  # code
    reason: str  # of the rows that it would flag: names rule and column
    until: int  # ns


@dataclass(frozen=True)
class RuleRows:
    """Judged rows: entity and time (ns) of each, and the place of the reason of each, -1: none.

    Shapes: (n,). Rows of confirmed events are none of them.
    """

    entity: Int32
    time: Int64
    reason: Int32
    reasons: Sequence[str]


def accept_rules(
    rows: RuleRows,
    rate: Float64,
    *,
    within: float,
    since: int,
    last: int,
    before: Sequence[AcceptedRule] = (),
) -> tuple[AcceptedRule, ...]:
    """Return the rules that are accepted from `since` (ns) on, for `last` ns; earlier ones stay.

    `rate` (E,) is the share of rows that each entity is promised.
    """
    kept = tuple(each for each in before if each.until > since)
    if not len(rows.time) or not (rows.reason >= 0).any():
        return kept
    share = np.minimum(rate * within, 1.0)
    late = rows.time >= rows.time.max() - RECENT
    beyond = _beyond(rows, np.ones(len(late), np.bool_), share) | _beyond(rows, late, share)
    beyond &= _days_beyond(rows, share) >= _FEWEST_DAYS
    known = {(each.entity, each.reason) for each in kept}
    found = ((int(code), rows.reasons[place]) for code, place in np.argwhere(beyond))
    new = [AcceptedRule(*each, since + last) for each in found if each not in known]
    return (*kept, *new)


def by_reason(accepted: Sequence[AcceptedRule]) -> Mapping[str, list[int]]:
    """Return the codes of the entities of each reason."""
    found: dict[str, list[int]] = {}
    for each in accepted:
        found.setdefault(each.reason, []).append(each.entity)
    return found


def _beyond(rows: RuleRows, chosen: Bool, share: Float64) -> Bool:
    """Return which reasons of which entities are more than a share of the chosen rows: (E, K)."""
    count, broken = _counts(rows.entity[chosen].astype(np.int64), rows.reason[chosen], rows, share)
    allowed = (count * share)[:, None]
    return np.asarray((broken > allowed) & (broken >= FEWEST) & (allowed >= FEWEST))


def _days_beyond(rows: RuleRows, share: Float64) -> Int64:
    """Return on how many days each reason is more than a share of its entity's rows: (E, K)."""
    day, place = np.unique(rows.time // _DAY, return_inverse=True)
    each = np.tile(share, len(day))
    owner = place.astype(np.int64) * len(share) + rows.entity
    count, broken = _counts(owner, rows.reason, rows, each)
    beyond = broken > (count * each)[:, None]
    return np.asarray(beyond.reshape(len(day), len(share), -1).sum(axis=0), dtype=np.int64)


def _counts(owner: Int64, reason: Int32, rows: RuleRows, share: Float64) -> tuple[Int64, Int64]:
    """Return the rows of each owner, and those that each reason is told of: (G,), (G, K)."""
    groups, kinds = len(share), len(rows.reasons)
    told = reason >= 0
    broken = np.bincount(owner[told] * kinds + reason[told], minlength=groups * kinds)
    return np.bincount(owner, minlength=groups), broken.reshape(groups, kinds)
