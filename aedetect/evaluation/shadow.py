"""What would change for people if another version scored: events won, lost and shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Bool, Int32, Int64
from aedetect.evaluation.gate import Check, volume_check
from aedetect.evaluation.paired import largest_difference, margin_of
from aedetect.evaluation.settings import PromotionSettings


@dataclass(frozen=True)
class EventIntervals:
    """Events: entity (N,) as a code, start and end (N,) in ns, inclusive."""

    entity: Int32
    start: Int64
    end: Int64

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.start)

    def met_by(self, other: EventIntervals, *, apart: int) -> Bool:
        """Return which of these events another event of its entity overlaps: (N,).

        Events at most `apart` ns from each other count as one. The others of an entity do not
        overlap each other.
        """
        if not len(self) or not len(other):
            return np.zeros(len(self), dtype=np.bool_)
        order = np.lexsort((other.start, other.entity))
        entity, start, end = (each[order] for each in (other.entity, other.start, other.end))
        low = min(int(self.start.min()), int(start.min())) - apart
        size = max(int(self.end.max()), int(end.max())) + apart - low + 1
        # One axis for all entities, each on a stretch of its own.
        place = np.searchsorted(
            entity * np.int64(size) + end - low,
            self.entity * np.int64(size) + self.start - apart - low,
        )
        inside = place < len(start)
        at = np.minimum(place, len(start) - 1)
        return np.asarray(inside & (entity[at] == self.entity) & (start[at] <= self.end + apart))


@dataclass(frozen=True, kw_only=True)
class ShadowEvents:
    """The events of the challenger and of the champion in the same days."""

    days: float  # that the challenger scored beside the champion
    won: int  # the challenger's alone
    lost: int  # the champion's alone
    shared: int  # the champion's, met by the challenger
    challenger: int  # events
    confirmed: int  # events that people confirmed
    confirmed_met: tuple[int, int]  # of these, by the challenger and by the champion
    confirmed_won: int  # by the challenger alone
    confirmed_lost: int  # by the champion alone


def count_events(
    new: EventIntervals, old: EventIntervals, confirmed: EventIntervals, *, days: float, apart: int
) -> ShadowEvents:
    """Count the events of both versions, and the confirmed ones that each meets."""
    shared = int(old.met_by(new, apart=apart).sum())
    met, met_before = (confirmed.met_by(each, apart=apart) for each in (new, old))
    return ShadowEvents(
        days=days,
        won=int((~new.met_by(old, apart=apart)).sum()),
        lost=len(old) - shared,
        shared=shared,
        challenger=len(new),
        confirmed=len(confirmed),
        confirmed_met=(int(met.sum()), int(met_before.sum())),
        confirmed_won=int((met & ~met_before).sum()),
        confirmed_lost=int((met_before & ~met).sum()),
    )


def shadow_checks(
    found: ShadowEvents,
    predicted: tuple[float, float],
    settings: PromotionSettings,
    *,
    needed: float,
) -> tuple[Check, ...]:
    """Return the checks of a version that scores beside the champion, for `needed` days.

    `predicted`: events a day, by the calibrations of the challenger and of the champion.
    """
    time = Check(
        SHADOW_DAYS, found.days, needed, found.days, needed, greater_is_better=True,
        text="days scored in shadow",
    )  # fmt: skip
    if found.days < needed:
        return (time,)
    text = (
        f"events in shadow against predicted (factor; {found.shared} shared with the champion, "
        f"{found.won} won, {found.lost} lost)"
    )
    volume = volume_check(
        "shadow_volume_factor",
        (found.challenger, found.shared + found.lost),
        (predicted[0] * found.days, predicted[1] * found.days),
        settings,
        text,
    )
    if not found.confirmed:
        return (time, volume)
    new, old = (count / found.confirmed for count in found.confirmed_met)
    most = largest_difference(found.confirmed_won, found.confirmed_lost, found.confirmed)
    met = Check(
        "shadow_confirmed", new, old, most, -margin_of(old, settings.found), greater_is_better=True,
        text=f"share of {found.confirmed} confirmed events met in shadow",
    )  # fmt: skip
    return (time, volume, met)


SHADOW_DAYS = "shadow_days"  # name of the check of the time in shadow
