"""The past windows most like the peaks of events, where the latent vectors are kept already.

Computing them takes minutes on years of data, and no page waits for that: `aedetect similar` does
it, and from then on pages show what it found, until the data change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aedetect.errors import AedetectError
from aedetect.events import read_labels
from aedetect.jobs.latents import NO_ENTITY, find_known_similar
from aedetect.jobs.table_clock import shown_clock
from aedetect.report.card_view import said_of
from aedetect.report.cards import Card, PastWindow

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.events import Label
    from aedetect.jobs.latents import Match
    from aedetect.scoring import Model
    from aedetect.wall_clock import WallClock

_MAX_EVENTS = 3  # the most anomalous of a page
_MAX_WINDOWS = 3


def add_similar(config: Config, model: Model, cards: Sequence[Card]) -> list[Card]:
    """Return the cards, the first ones with the past windows that are most like their peak."""
    clock, labels = shown_clock(config), read_labels(config.output)
    first = [_with_similar(config, model, card, labels, clock) for card in cards[:_MAX_EVENTS]]
    return [*first, *cards[_MAX_EVENTS:]]


def _with_similar(
    config: Config, model: Model, card: Card, labels: Sequence[Label], clock: WallClock
) -> Card:
    event = card.event
    try:
        found = find_known_similar(
            config,
            model,
            entity=NO_ENTITY if event.entity is None else event.entity,
            time=clock.parse(event.peak_timestamp),
            limit=_MAX_WINDOWS,
        )
    except AedetectError:  # such as a peak in a row that ends no window
        return card
    if found is None:
        return card
    windows = tuple(
        PastWindow(
            entity=each.entity,
            start=each.start,
            end=each.end,
            distance=each.distance / max(found.typical, 1e-12),
            said=_said(each, labels, clock),
        )
        for each in found.matches
    )
    return replace(card, similar=windows)


def _said(match: Match, labels: Sequence[Label], clock: WallClock) -> str | None:
    """Return what people said of an event that overlaps a window."""
    start, end = clock.parse(match.start), clock.parse(match.end)
    own = (
        each for each in labels
        if each.entity == match.entity and each.start <= end and each.end >= start
    )  # fmt: skip
    return next((said_of(each.opinion, each.note) for each in own), None)
