"""Which events are not reported, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aedetect.events.discovery import discoveries
from aedetect.events.grouping import COOLING, DOUBTED, REPORTED, SHORT, suppressed_groups
from aedetect.timestamps import format_duration

if TYPE_CHECKING:
    from aedetect.arrays import Float64, Int8
    from aedetect.events.grouping import EventRules
    from aedetect.events.judged_rows import JudgedCounts
    from aedetect.events.level_shift import Separated


def suppressed_events(
    events: Separated,
    p_value: Float64,
    rules: EventRules,
    *,
    precision: float | None,
    judged: JudgedCounts | None,
) -> tuple[Int8, tuple[str | None, ...]]:
    """Return for each event REPORTED or why it is suppressed, and the reasons by that number.

    Shapes: p_value (S,) the smallest of each event -> (S,). With a precision, events that scores
    alone flag are candidates, see `aedetect.events.discovery`.
    """
    flagged, groups, inner = events.flagged, events.groups, events.inner
    first = groups.first
    # What stands out from a shift of level is not suppressed by it.
    number = np.repeat(np.arange(len(first)), groups.last - first + 1)
    owner = (flagged.entity * 4 + flagged.loss + 2 * inner[number]).astype(np.int32)
    found = suppressed_groups(flagged.time, owner, groups, rules)
    found = np.where(flagged.loss[first] & (found == SHORT), np.int8(REPORTED), found)
    reasons: list[str | None] = [None, None, None, None]
    reasons[SHORT] = f"shorter than {format_duration(rules.min_duration)}"
    reasons[COOLING] = f"within {format_duration(rules.cool_down)} of an event before"
    if precision is not None and judged is not None and len(first):
        reasons[DOUBTED] = f"not rare enough for a precision of {precision:g}"
        asked = (found == REPORTED) & ~np.logical_or.reduceat(flagged.ruled, first)
        start = flagged.time[first][asked]
        kept = discoveries(start, p_value[asked], judged, precision=precision)
        found[np.flatnonzero(asked)[~kept]] = DOUBTED
    return found, tuple(reasons)
