"""A page as one HTML file without network. Every text goes through escaping; nothing is markup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.output import aside, publish, written
from aedetect.report.card_view import card_view
from aedetect.report.cards import MAX_DRAWN
from aedetect.report.incident_view import group_cards
from aedetect.report.lanes import describe_lanes, lane_numbers
from aedetect.report.view import page_view
from aedetect.report.wording import clip

if TYPE_CHECKING:
    from jinja2 import Environment

    from aedetect.report.cards import Card
    from aedetect.report.page import Page
    from aedetect.wall_clock import WallClock

MAX_BYTES = 1_000_000
_TITLE = 160  # characters
_ASSETS = "aedetect.report", "assets"
# What would end a script element, or begin a comment in it.
_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def write_page(page: Page, target: Path) -> int:
    """Write a page; return its size in bytes. Raises OutputError when it cannot be written.

    What does not fit into a megabyte is left out: first lines, then the least anomalous events.
    """
    text = render_page(page)
    return write_text(text, target)


def write_text(text: str, target: Path) -> int:
    """Write a file in one step; return its size in bytes."""
    content = text.encode()
    with written(target), aside(target.parent) as folder:
        (folder / target.name).write_bytes(content)
        publish(folder / target.name, target)
    return len(content)


def render_page(page: Page) -> str:
    """Return a page as HTML, within the size that a page may have."""
    for drawn, shown in ((MAX_DRAWN, 100), (MAX_DRAWN, 50), (6, 50), (3, 25), (0, 25), (0, 10)):
        cards = [
            each if at < drawn else replace(each, scores=None, columns=())
            for at, each in enumerate(page.cards[:shown])
        ]
        text = _render(replace(page, cards=tuple(cards)))
        if len(text.encode()) <= MAX_BYTES:
            break
    return text


def render_card(
    card: Card,
    *,
    detector: str,
    config: str,
    units: Mapping[str, str],
    clock: WallClock,
    chain: Mapping[str, str],
) -> str:
    """Return one event as a page of its own; `chain` says by words where it comes from."""
    data = {"charts": {card.event.event_id: _charts(card, clock)}}
    return (
        _environment()
        .get_template("card.html")
        .render(
            title=clip(f"{detector}: event {card.event.event_id}", most=_TITLE),
            card=card_view(card, lane=0, config=config, units=units),
            chain={clip(key.strip().removesuffix(":")): clip(text) for key, text in chain.items()},
            data=_json(data),
            **_parts(),
        )
    )


def _render(page: Page) -> str:
    lanes, facts = lane_numbers(page), page.facts
    cards = [
        card_view(each, lane=lanes.get(each.event.entity), config=facts.config, units=facts.units)
        for each in page.cards
    ]
    charts = {each.event.event_id: _charts(each, facts.clock) for each in page.cards}
    data = {
        "lanes": describe_lanes(page),
        "charts": {name: each for name, each in charts.items() if each},
    }
    items = group_cards(cards, page.events, facts.clock)
    template = _environment().get_template("page.html")
    return template.render(items=items, data=_json(data), **page_view(page, items), **_parts())


def _charts(card: Card, clock: WallClock) -> list[dict[str, Any]]:
    """Return the lines of an event: its score, then the blamed columns."""
    if card.scores is None:
        return []
    times = [each.time for each in (card.scores, *(own.line for own in card.columns))]
    ends = min(each[0] for each in times), max(each[-1] for each in times)
    marks = [clock.shown(int(each)) / 1e9 for each in (card.start, card.end, *ends)]
    common = dict(zip(("from", "to", "since", "until"), marks, strict=True))
    score = card.scores.described(clock)
    charts = [{"name": "score", "threshold": card.event.threshold, **common, **score}]
    return charts + [
        {"name": each.name, "unit": each.unit, **common, **each.line.described(clock)}
        for each in card.columns
    ]


def _json(value: object) -> str:
    """Return JSON that stays data inside a script element, whatever texts it holds."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _parts() -> dict[str, str]:
    """Return the parts of the page that are code."""
    names = {"css": "page.css", "js": "page.js", "uplot": "uPlot.iife.min.js"}
    read = {key: asset(name) for key, name in names.items()}
    return read | {"uplot_css": asset("uPlot.min.css")}


@cache
def asset(name: str) -> str:
    """Return the text of a file of the page."""
    package, folder = _ASSETS
    return files(package).joinpath(folder, name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(asset),
        trim_blocks=True,
        lstrip_blocks=True,
    )
