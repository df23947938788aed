"""Column rules that a renewal accepts: a new state, a new constant, a sensor that stays dead.

No threshold follows what a rule flags, so that a state which training lacked, or a sensor that
died, would be in alarm until the next training. So what holds for scores holds for rules: of the
rows of an entity, one rule on one column flags no more than `within` times the promised share, or
twice that of the last two days. Beyond that it is taken as normal, for as long as renewals look
back; then it is told again if it is still so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.calibration.bounds import FEWEST, LENIENT, RECENT

if TYPE_CHECKING:
    from aedetect.arrays import Float64, Int32, Int64


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
    late = rows.time >= rows.time.max() - RECENT
    beyond = _beyond(rows, np.ones(len(late), np.bool_), np.minimum(rate * within, 1.0), len(rate))
    beyond |= _beyond(rows, late, np.minimum(rate * within * LENIENT, 1.0), len(rate))
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


def _beyond(rows: RuleRows, chosen: np.ndarray, share: Float64, entities: int) -> np.ndarray:
    """Return which reasons of which entities are more than a share of the chosen rows: (E, K)."""
    entity, reason = rows.entity[chosen].astype(np.int64), rows.reason[chosen]
    kinds = len(rows.reasons)
    count = np.bincount(entity, minlength=entities)
    told = reason >= 0
    key = entity[told] * kinds + reason[told]
    broken = np.bincount(key, minlength=entities * kinds).reshape(entities, kinds)
    allowed = (count * share)[:, None]
    return (broken > allowed) & (broken >= FEWEST) & (allowed >= FEWEST)
