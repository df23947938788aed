"""Texts of a column -> what they are (numbers, timestamps, booleans, categories), and the SQL.

What a column is, is found in its first rows and counted in all of them. A few texts among numbers,
such as "Bad Input" of a historian, become missing cells and are named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aedetect.onboarding.time_formats import (
    formats_of,
    is_clock_text,
    is_iso,
    offsets_of,
    spelled,
)

Kind = Literal["number", "boolean", "text", "time", "clock", "empty", "other"]
NULLS = ("na", "n/a", "#n/a", "null", "none", "nan", "-", "--", "?", "nil", "<na>")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_POINT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d{1,3}([  ]\d{3})+|\d+)?(,\d+)([eE][+-]?\d+)?")
_DOTTED = re.compile(r"[+-]?\d{1,3}(\.\d{3}){2,}")  # 1.234.567
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_ENOUGH = 0.8  # share of the cells that are what the column is taken for


@dataclass(frozen=True)
class Reading:
    """How the texts of a column are read; `{c}` in the SQL stands for a trimmed text."""

    kind: Kind
    sql: str
    how: str = ""  # for people; "" for what goes without saying
    form: str = ""  # of timestamps that are read by one


TEXT = Reading("text", "{c}")
EMPTY = Reading("empty", "CAST(NULL AS DOUBLE)")
_NUMBER = Reading("number", "TRY_CAST({c} AS DOUBLE)")
_COMMA_NUMBER = Reading(
    "number",
    "TRY_CAST(replace(replace(replace(replace({c}, '.', ''), ' ', ''), ' ', ''), ',', '.')"
    " AS DOUBLE)",
    "decimal comma",
)
_THOUSAND_NUMBER = Reading(
    "number", "TRY_CAST(replace({c}, ',', '') AS DOUBLE)", "thousands separated by commas"
)
_BOOLEAN = Reading("boolean", "CASE lower({c}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END")
_CLOCK = Reading("clock", "TRY_CAST({c} AS TIME)", "time of day")


def readings_of(texts: Sequence[str], *, comma: bool = False) -> tuple[Reading, ...]:
    """Return how texts can be read, the most likely first; several for ambiguous dates.

    `comma`: 1,234 is less than two, as in files whose cells are not separated by commas.

    >>> [each.how for each in readings_of(["1,5", "2,75"])], readings_of(["on"])[0].kind
    (['decimal comma'], 'text')
    """
    found = [text for each in texts if (text := each.strip()) and text.lower() not in NULLS]
    if not found:
        return (EMPTY,)
    if _share(_POINT, found) >= _ENOUGH:
        return (_NUMBER, *_dates(found))
    if _share(_THOUSANDS, found) >= _ENOUGH and not comma:
        return (_THOUSAND_NUMBER,)
    if _share(_COMMA, found) + _share(_POINT, found) + _share(_DOTTED, found) >= _ENOUGH:
        return (_COMMA_NUMBER,)
    for reading, fits in ((_BOOLEAN, _is_boolean), (_CLOCK, is_clock_text)):
        if all(map(fits, found)):
            return (reading,)
    usual = [text for text in found if any(each.isdigit() for each in text)]
    times = _times(usual) if len(usual) >= _ENOUGH * len(found) else ()
    return times or (TEXT,)


def whole(reading: Reading, texts: Sequence[str]) -> bool:
    """Whether numbers are whole ones: then they are stored as such."""
    return reading is _NUMBER and all(
        _WHOLE.fullmatch(text) for each in texts if (text := each.strip())
    )


def trimmed(column: str) -> str:
    """Return the SQL for a text without spaces around it, NULL for one that stands for nothing."""
    nulls = ", ".join(f"'{each}'" for each in ("", *NULLS))
    return f"(CASE WHEN lower(trim({column})) IN ({nulls}) THEN NULL ELSE trim({column}) END)"


def _is_boolean(text: str) -> bool:
    return text.lower() in {"true", "false"}


def _times(texts: Sequence[str]) -> tuple[Reading, ...]:
    if not texts:
        return ()
    if is_iso(texts):
        offsets = offsets_of(texts)
        if offsets == ("",):
            return (Reading("time", "TRY_CAST({c} AS TIMESTAMP)", "ISO 8601"),)
        named = ", ".join(each or "none" for each in offsets)
        sql = "TRY_CAST(replace({c}, 'UTC', '+00') AS TIMESTAMPTZ)"
        return (Reading("time", sql, f"ISO 8601, offset {named}"),)
    return tuple(_by_format(form) for form in formats_of(texts, plain=False))


def _dates(texts: Sequence[str]) -> tuple[Reading, ...]:
    """Return how plain numbers such as 20260301 can be read as dates."""
    return tuple(_by_format(form) for form in formats_of(texts) if form.startswith("%Y%m%d"))


def _by_format(form: str) -> Reading:
    text, asked = "{c}", form
    if ",%f" in form:
        text, asked = "replace({c}, ',', '.')", form.replace(",%f", ".%f")
    return Reading("time", f"try_strptime({text}, '{asked}')", spelled(form), form)


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.fullmatch(text) is not None for text in texts) / len(texts)
