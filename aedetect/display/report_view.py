"""A report in Python: one page of a time range, shown in a notebook or written as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.display.charts import event_charts
from aedetect.display.event_table import Events, make_events
from aedetect.display.html import render
from aedetect.display.lanes_view import lanes_html
from aedetect.report import write_page
from aedetect.report.card_view import card_view
from aedetect.report.wording import clip, first_sentence, minutes

if TYPE_CHECKING:
    from aedetect.report.page import Page

_CARDS, _DRAWN = 10, 4  # events of a report in a notebook, and those with lines


@dataclass(frozen=True, repr=False)
class Report:
    """What was found in a time range: swim lanes, and events with their causes.

    A notebook shows it. `save` writes the page that `aedetect report` writes.
    """

    _page: Page

    @property
    def sentence(self) -> str:
        """What was found, and what could not be scored."""
        return first_sentence(self._page)

    @property
    def events(self) -> Events:
        """The reported events, the most anomalous first."""
        return make_events(self._page.events)

    def save(self, to: str | Path) -> Path:
        """Write one self-contained HTML file of at most a megabyte; return its path.

        Raises OutputError when it cannot be written.
        """
        path = Path(to)
        write_page(self._page, path)
        return path

    def __repr__(self) -> str:
        return f"<Report {self.sentence}>"

    def _repr_html_(self) -> str:
        page, facts = self._page, self._page.facts
        clock = facts.clock
        cards = page.cards[:_CARDS]
        views = [
            card_view(each, lane=None, config=facts.config, units=facts.units) for each in cards
        ]
        return render(
            "report.html",
            detector=clip(facts.detector, most=160),
            sentence=self.sentence,
            range=f"{minutes(clock.format(page.first))} to {minutes(clock.format(page.last))}",
            lanes=lanes_html(page),
            notes=[clip(each) for each in facts.notes],
            cards=[
                view | {"charts": list(event_charts(each, clock)) if at < _DRAWN else []}
                for at, (view, each) in enumerate(zip(views, cards, strict=True))
            ],
            more=max(len(page.events) - len(cards), 0),
        )
