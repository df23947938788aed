"""Events as a data frame that a notebook shows as cards."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from aedetect.data.pandas_columns import object_column
from aedetect.display.html import SEVERITIES, render
from aedetect.events.description import plain_number
from aedetect.events.table import MAX_CAUSES
from aedetect.report.card_view import cause_view
from aedetect.report.cards import LEAST_SHARE
from aedetect.report.wording import clip, minutes, odds, span_text
from aedetect.wording import plural

_SHOWN = 20  # cards of a table
_NEEDED = frozenset(
    {"event_id", "entity", "start", "end", "rows", "peak_score", "threshold", "p_value"}
    | {"severity", "causes", "text"}
)


class Events(pd.DataFrame):
    """Events, one per row, the most anomalous first: a pandas table with the columns of `events/`.

    A notebook shows a card for each: its sentence, when and how long, and its causes. All else is
    as in any other data frame; selected rows are shown as cards too.
    """

    @property
    def _constructor(self) -> Callable[..., Events]:
        return Events

    def _repr_html_(self) -> str | None:
        if not set(self.columns) >= _NEEDED:
            plain: str | None = pd.DataFrame(self)._repr_html_()  # type: ignore[operator]
            return plain
        shown = self.head(_SHOWN).to_dict("records")
        return render(
            "events.html",
            count=plural(len(self), "event"),
            more=len(self) > _SHOWN,
            cards=[_card(each) for each in shown],
        )


def make_events(table: Any) -> Events:
    """Return events/ rows, an Arrow table, as a data frame; causes are lists of dictionaries."""
    frame = Events(table.to_pandas())
    frame["causes"] = object_column(table["causes"].to_pylist())
    return frame


def _card(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return what the template of a card shows of a row."""
    severity = row["severity"] if row["severity"] in SEVERITIES else "info"
    lasted = pd.Timedelta(row["end"] - row["start"]).value
    causes = row["causes"] if isinstance(row["causes"], list) else []
    told = [each for each in causes[:MAX_CAUSES] if each["share"] >= LEAST_SHARE]
    return {
        "id": clip(str(row["event_id"])),
        "severity": severity,
        "text": clip(str(row["text"])),
        "entity": clip(row["entity"], most=160) if isinstance(row["entity"], str) else "all rows",
        "begin": minutes(str(row["start"])),
        "duration": span_text(lasted) if lasted else "one row",
        "rows": plural(int(row["rows"]), "row"),
        "score": plain_number(float(row["peak_score"])),
        "threshold": plain_number(float(row["threshold"])),
        "odds": odds(row["p_value"]),
        "causes": [cause_view(each, {}) for each in told],
        "charts": [],
    }
