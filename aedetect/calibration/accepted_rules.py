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
from typing import TYPE_CHECKING, Self

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
    seen = _Seen.of(rows, np.minimum(rate * within, 1.0))
    late = rows.time >= rows.time.max() - RECENT
    beyond = seen.beyond(np.ones(len(late), np.bool_)) | seen.beyond(late)
    beyond &= seen.days() >= _FEWEST_DAYS
    known = {(each.entity, each.reason) for each in kept}
    found = ((int(seen.entity[at]), rows.reasons[seen.reason[at]]) for at in np.flatnonzero(beyond))
    new = [AcceptedRule(*each, since + last) for each in found if each not in known]
    return (*kept, *new)


def by_reason(accepted: Sequence[AcceptedRule]) -> Mapping[str, list[int]]:
    """Return the codes of the entities of each reason."""
    found: dict[str, list[int]] = {}
    for each in accepted:
        found.setdefault(each.reason, []).append(each.entity)
    return found


@dataclass(frozen=True)
class _Seen:
    """Pairs (P,) of entity and reason that occur, so that no more than those is counted.

    `share` (E,) is what a reason may be of an entity's rows; `pair` (n,) that of each row, or -1.
    """

    rows: RuleRows
    share: Float64
    entity: Int64
    reason: Int64
    pair: Int64

    @classmethod
    def of(cls, rows: RuleRows, share: Float64) -> Self:
        """Find the pairs of rows."""
        told, kinds = rows.reason >= 0, len(rows.reasons)
        owner = rows.entity[told].astype(np.int64)
        keys, place = np.unique(owner * kinds + rows.reason[told], return_inverse=True)
        pair = np.full(len(told), -1)
        pair[told] = place
        return cls(rows, share, keys // kinds, keys % kinds, pair)

    def beyond(self, chosen: Bool) -> Bool:
        """Return which pairs are more than their share of the chosen rows: (P,)."""
        count = np.bincount(self.rows.entity[chosen], minlength=len(self.share))
        broken = np.bincount(self.pair[chosen & (self.pair >= 0)], minlength=len(self.entity))
        allowed = (count * self.share)[self.entity]
        return np.asarray((broken > allowed) & (broken >= FEWEST) & (allowed >= FEWEST))

    def days(self) -> Int64:
        """Return on how many days each pair is more than its share of the entity's rows: (P,)."""
        day = self.rows.time // _DAY - self.rows.time.min() // _DAY
        length = int(day.max()) + 1
        each = self.rows.entity.astype(np.int64) * length + day
        count = np.bincount(each, minlength=len(self.share) * length)
        told = self.pair >= 0
        keys, broken = np.unique(self.pair[told] * length + day[told], return_counts=True)
        pair, owner = keys // length, self.entity[keys // length]
        beyond = broken > count[owner * length + keys % length] * self.share[owner]
        return np.bincount(pair[beyond], minlength=len(self.entity))
