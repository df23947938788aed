"""What one event is, and which events are suppressed: `[events]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """What makes one event, and what is kept quiet: `[events]`."""

    # longest step between two flagged rows of one event; None: [data] max_gap
    bridge: str | None = None
    min_duration: str | None = None  # from first to last flagged row; shorter events are kept quiet
    cool_down: str | None = None  # after a reported event, in which others of its entity are quiet
    ignore: tuple[str, ...] = ()  # features, or patterns, that alone make no anomaly
    only_above: tuple[str, ...] = ()  # features that matter only when above what is expected
    only_below: tuple[str, ...] = ()  # features that matter only when below
    maintenance: tuple[str, ...] = ()  # .ics, .csv or .parquet with intervals of planned work
