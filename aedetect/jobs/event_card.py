"""The card of one event, alone: as a page, or as a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.errors import AedetectError, ConfigError
from aedetect.events import read_labels
from aedetect.jobs.event_chain import find_event
from aedetect.jobs.event_lines import add_column_lines
from aedetect.jobs.similar_windows import add_similar
from aedetect.jobs.table_clock import shown_clock
from aedetect.report.cards import make_cards, read_scores
from aedetect.report.html import render_card, write_text
from aedetect.report.past_events import add_past_events
from aedetect.scoring import Model
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aedetect.config import Config
    from aedetect.report.cards import Card

KINDS = (".html", ".png")


def read_card(config: Config, event_id: str) -> Card:
    """Read an event with its lines; without those of columns when its model is away.

    Raises NoData when there is no such event.
    """
    file, table = find_event(config, event_id)
    labels, clock = read_labels(config.output), shown_clock(config)
    (card,) = make_cards(table, labels, clock)
    period = file.origin().period or NANOSECONDS["min"]
    (card,) = add_past_events(config.output, [card], labels, clock)
    card = replace(card, scores=read_scores(config.output, [card], period=period).get(event_id))
    if not config.scoring.input:
        return card
    try:
        name = f"{card.event.model_name}/{card.event.model_version}"
        found = registry.find_version(name, tracking_uri=config.tracking_uri)
        folder = str(registry.fetch_version(found, tracking_uri=config.tracking_uri))
        model = Model(folder=folder, name=found.name, version=found.version)
        (card,) = add_column_lines(config, model, [card], period=period, drawn=1)
        return add_similar(config, model, [card])[0]
    except AedetectError:  # a registry that is away, or input that is gone: the rest is shown
        return card


def write_event_card(
    config: Config, card: Card, to: Path, *, config_path: str, chain: Mapping[str, str]
) -> Path:
    """Write a card as HTML or PNG, by the end of the name; `chain` is shown below it.

    Raises ConfigError for another end, OutputError when it cannot be written.
    """
    kind = to.suffix.lower()
    if kind not in KINDS:
        raise ConfigError(f"--to takes a file that ends in {' or '.join(KINDS)}, got {to}")
    clock = shown_clock(config)
    if kind == ".png":
        return save_picture(config, card, to)
    text = render_card(
        card, detector=config.name, config=config_path, units=config.data.units, clock=clock,
        chain=chain,
    )  # fmt: skip
    write_text(text, to)
    return to


def save_picture(config: Config, card: Card, to: Path) -> Path:
    """Write the picture of a card; return its path."""
    from aedetect.figures.canvas import save_figure
    from aedetect.figures.event_card import draw_event_card
    from aedetect.output import written

    with written(to):
        return save_figure(draw_event_card(card, shown_clock(config)), to)
