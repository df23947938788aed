"""Since when normal is not what a version learnt, and how much of the new one is enough to learn.

A version that learnt both, what is over and the new normal, finds no more than the one before it
(docs/internals/detection-log.md, "a training in the middle of a change").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aedetect.registry.records import CHANGED_AT
from aedetect.timestamps import NANOSECONDS, parse_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.drift import Shift
    from aedetect.registry import Registered
    from aedetect.wall_clock import WallClock

_NEVER = 2**63
_LEAST = 3 * NANOSECONDS["d"]  # daily cycles
_MORE_ROWS = 1.1  # than the gate needs: some cannot be scored


class Change(NamedTuple):
    """A change of what is normal."""

    since: int  # ns
    because: str  # why that asks for a training, once there is enough to learn


def find_change(
    config: Config, champion: Registered, clock: WallClock, shifts: Sequence[Shift]
) -> Change | None:
    """Return since when normal is not all that the champion learnt; None if it is.

    That is a shift of all entities, or of a table without any: one among others that shifts alone
    may have a slow fault, which must not be learnt. Or levels changed while it was trained, or it
    was trained on what came after a change, when there was little of that.
    """
    if not config.training.on_drift:
        return None
    shifted = next((each for each in shifts if each.world or each.entity is None), None)
    if shifted is not None:
        return Change(clock.parse(shifted.since), shifted.text)
    changed = champion.tags.get(CHANGED_AT)
    if changed is None:
        return None
    since = clock.parse(changed)
    if knows(champion, clock, since):
        text = f"there is twice as much since {changed} as {champion.reference} was made from"
    else:
        text = f"levels changed on {changed}, while {champion.reference} was trained"
    return Change(since, text)


def knows(champion: Registered, clock: WallClock, since: int) -> bool:
    """Whether a version was made from rows since a time (ns) alone, to the day."""
    return clock.parse(champion.tags["trained_from"]) >= since - NANOSECONDS["d"]


def enough_of(config: Config, champion: Registered, clock: WallClock, since: int) -> int:
    """Return how much time (ns) of a new normal is learnt at least.

    It is as much as was held out, and enough for the gate, which compares on what is held out of
    it. If the version was made from the new normal alone, it is twice as much, which is never
    enough where `[training] window` does not hold that.
    """
    tags = champion.tags
    first, held_out, last = (
        clock.parse(tags[name]) for name in ("trained_from", "held_out_from", "held_out_until")
    )
    if knows(champion, clock, since):
        window, twice = config.training.window, 2 * (last - first)
        return twice if window is None or parse_duration(window) >= twice else _NEVER
    rows = config.promotion.min_rows / config.calibration.holdout
    compared = round(_MORE_ROWS * rows * (last - first) / int(tags["rows"]))
    return max(last - held_out, compared, _LEAST)
