"""Settings of events: grouping and suppression."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """How flagged rows form events, and what is suppressed: `[events]`."""

    # longest gap between two flagged rows of one event; None: [data] max_gap
    bridge: str | None = None
    min_duration: str | None = None  # from first to last flagged row; shorter events are suppressed
    cool_down: str | None = (
        None  # after a reported event; later events of its entity are suppressed
    )
    ignore: tuple[str, ...] = ()  # features or patterns that do not flag a row on their own
    only_above: tuple[str, ...] = ()  # features that count only when above the expected value
    only_below: tuple[str, ...] = ()  # features that count only when below it
    maintenance: tuple[str, ...] = ()  # .ics, .csv or .parquet with intervals of planned work
