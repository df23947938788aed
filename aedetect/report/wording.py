"""Sentences and numbers of a page, as people write them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from aedetect.drift.shifts import faults_of
from aedetect.events.description import plain_number
from aedetect.output.schemas import NOT_SCORED, SEVERITIES
from aedetect.scoring.run_warnings import with_remedy
from aedetect.timestamps import NANOSECONDS
from aedetect.wording import list_some, plural

if TYPE_CHECKING:
    from aedetect.drift import Shift
    from aedetect.report.page import Page

_UNITS = (("d", "day"), ("h", "hour"), ("min", "minute"), ("s", "second"))
_LONG = 300  # characters of a text on the page
_NAME = 160  # of a name
_RAREST = 1e-9


def first_sentence(page: Page) -> str:
    """Return what was found, slow faults first, against the promise, and what was not scored."""
    count = len(page.events)
    severities = page.events["severity"].to_pylist()
    of_each = [f"{severities.count(s)} {s}" for s in reversed(SEVERITIES) if s in severities]
    listed = f" ({', '.join(of_each)})" if count else ""
    rate = count / page.days
    parts = [
        f"{plural(count, 'event')}{listed} in {span_text(page.last - page.first)}"
        + (f", {plain_number(rate)} a day" if count else "")
    ]
    parts += _against_promise(page, rate)
    if page.before is not None:
        parts.append(f"{page.before:,} in as much time before")
    found = ": ".join([parts[0], "; ".join(parts[1:])] if parts[1:] else parts)
    return f"{told_of_faults(faults_of(page.shifts))}{found}. {_left(page)}"


def told_of_faults(faults: Sequence[Shift]) -> str:
    """Return the sentence with which a page begins; empty without any.

    >>> told_of_faults([])
    ''
    """
    if not faults:
        return ""
    listed = [f"{clip(str(each.entity), most=_NAME)} since {each.since}" for each in faults]
    return f"Slow {'fault' if len(listed) == 1 else 'faults'}: {list_some(listed, most=3)}. "


def _against_promise(page: Page, rate: float) -> Iterable[str]:
    facts = page.facts
    if facts.budget is not None:
        if facts.budget_a_day is None:
            yield f"the budget is {facts.budget}"
        else:
            word = "within" if rate <= facts.budget_a_day else "above"
            whole = plain_number(facts.budget_a_day)
            in_all = f" ({whole} a day in all)" if "per entity" in facts.budget else ""
            yield f"{word} the budget of {facts.budget}{in_all}"
    if facts.usual is not None:
        low, high = facts.usual
        word = "as usual" if low <= rate <= high else "more than usual" if rate > high else "fewer"
        word = "fewer than usual" if word == "fewer" else word
        yield f"{word} ({plain_number(low)} to {plain_number(high)} a day)"


def _left(page: Page) -> str:
    """Say what could not be scored."""
    grid = page.grid
    left, rows = grid.counts.get(NOT_SCORED, 0), sum(grid.counts.values())
    if not left:
        return f"All {rows:,} rows were scored."
    one = len(grid.not_scored) == 1
    why = list_some(
        (with_remedy(text) if one else f"{n:,}: {with_remedy(text)}" for text, n in
         grid.not_scored.items()), most=2, separator="; ",
    )  # fmt: skip
    return f"{left:,} of {rows:,} rows could not be scored: {clip(why)}."


def span_text(nanoseconds: float) -> str:
    """Return a length of time in the largest unit of which there are two, rounded.

    >>> span_text(30 * NANOSECONDS["d"]), span_text(90 * NANOSECONDS["min"]), span_text(0)
    ('30 days', '90 minutes', '0 seconds')
    """
    size = abs(nanoseconds)
    for unit, word in _UNITS:
        count = size / NANOSECONDS[unit]
        if count >= 2 or unit == "s":  # noqa: PLR2004 - "90 minutes" tells more than "1.5 hours"
            number = round(count)
            return f"{number:,} {word}{'' if number == 1 else 's'}"
    raise AssertionError  # seconds take everything


def minutes(time: str) -> str:
    """Return a time without seconds that are zero.

    >>> minutes("2026-04-12 11:10:00"), minutes("2026-04-12T11:10:00+02:00"), minutes("11:10:05")
    ('2026-04-12 11:10', '2026-04-12 11:10+02:00', '11:10:05')
    """
    return re.sub(r"(\d\d:\d\d):00(?=$|[+-])", r"\1", time.replace("T", " "))


def clip(text: str, *, most: int = _LONG) -> str:
    """Return a text that is cut where it is too long for a page.

    >>> clip("temperature", most=5)
    'temp…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def isolated(text: str, names: Iterable[str]) -> str:
    """Return a text in which names that are written from right to left do not turn the rest.

    >>> isolated("flow 3, normally 4", ["flow"])
    'flow 3, normally 4'
    """
    for name in {each.partition("=")[0] for each in names}:
        if any(unicodedata.bidirectional(letter) in {"R", "AL"} for letter in name):
            text = text.replace(name, f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}")
    return text


def odds(p_value: float | None) -> str:
    """Say how rare a row is.

    >>> odds(0.001), odds(4e-7), odds(None)
    ('1 in 1,000 normal rows', '1 in 2,500,000 normal rows', '')
    """
    if p_value is None or not p_value >= 0:
        return ""
    if p_value < _RAREST:  # beyond, the tail says nothing that a person could check
        return "fewer than 1 in a billion normal rows"
    return f"1 in {float(f'{1 / p_value:.2g}'):,.0f} normal rows"


def named(names: Mapping[str | None, int] | Iterable[str | None]) -> list[str]:
    """Return names of entities for the page; a table without entities has one series."""
    return ["all rows" if name is None else name for name in names]
