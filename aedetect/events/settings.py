"""Settings of events: grouping and suppression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """How flagged rows form events, and what is suppressed: `[events]`."""

    # how soon an event comes back and goes on; None: 60 periods, at most 6h, at least max_gap
    merge_gap: str | None = None
    # p-value down to which an event goes on: one normal row in a hundred is as high
    hold: Annotated[float, Ge(0), Lt(1)] = 0.01
    # events of several entities that begin so close together are one incident; None: max_gap
    incident: str | None = None
    # an event that lasts longer is a shift of level; None: 6h to 1d by the sampling period, and at
    # least twice the longest event on held-out rows
    level_shift: str | None = None
    min_duration: str | None = None  # from start to end; shorter events are suppressed
    cool_down: str | None = (
        None  # after a reported event; later events of its entity are suppressed
    )
    ignore: tuple[str, ...] = ()  # features or patterns that do not flag a row on their own
    only_above: tuple[str, ...] = ()  # features that count only when above the expected value
    only_below: tuple[str, ...] = ()  # features that count only when below it
    maintenance: tuple[str, ...] = ()  # .ics, .csv or .parquet with intervals of planned work
