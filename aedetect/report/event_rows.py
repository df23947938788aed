"""Events as rows of a small table for people, such as the artifact of a run in Prefect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aedetect.output.schemas import SEVERITIES
from aedetect.report.wording import clip, span_text
from aedetect.timestamps import parse_instant, short_time
from aedetect.wording import markdown_text

if TYPE_CHECKING:
    from aedetect.events import Event
    from aedetect.wall_clock import WallClock


def rank_reported(events: Iterable[Event]) -> list[Event]:
    """Return the events that are not suppressed, the most anomalous first."""
    return sorted((each for each in events if each.suppressed is None), key=_most_anomalous_first)


def _most_anomalous_first(event: Event) -> tuple[int, float, str, str]:
    return -SEVERITIES.index(event.severity), event.p_value, event.start, event.event_id


def event_rows(events: Iterable[Event], clock: WallClock) -> list[dict[str, str]]:
    """Return a row for each event; its keys are the headings.

    Prefect's first user interface reads markdown in the cells of a table: names stay text.
    """
    return [_row(each, clock) for each in events]


def _row(event: Event, clock: WallClock) -> dict[str, str]:
    start, end = (parse_instant(text) for text in (event.start, event.end))
    return {
        "time": short_time(clock.format(start)),
        "entity": markdown_text(clip(event.entity or "all rows")),
        "severity": event.severity,
        "duration": span_text(end - start) if end > start else "one row",
        "what was seen": markdown_text(clip(event.text)),
        "event": event.event_id,
    }
