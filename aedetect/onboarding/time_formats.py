"""Texts that are timestamps: in which of many formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

_ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d+)?)?)?\s?(Z|UTC|[+-]\d\d(:?\d\d)?)?")
OFFSET = re.compile(r".*\d\d:\d\d.*?(Z|UTC|[+-]\d\d(:?\d\d)?)")
_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"),
    *("%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y"),
    *("%b %d %Y", "%b %d, %Y", "%Y%m%d"),
)
_CLOCKS = (
    *("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %H:%M:%S,%f", "T%H:%M:%S", "T%H:%M"),
    *("T%H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", ", %H:%M:%S", ", %H:%M", "_%H%M%S"),
    *("-%H%M%S", "%H%M%S", "T%H%M%S", " %H.%M.%S", " %H.%M", ":%H:%M:%S"),
)
FORMATS = tuple(date + clock for date in _DATES for clock in _CLOCKS)
_TOKENS = ("%d", "%m", "%b", "%Y", "%y", "%H", "%I", "%M", "%S", "%f", "%p")
_SPELLED = ("DD", "MM", "MON", "YYYY", "YY", "hh", "hh", "mm", "ss", "f", "AM")
_EXCHANGE = str.maketrans("dm", "md")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?")
_SHAPE = re.compile(r"(?=.*\d)[\dA-Za-z.,/:_ +-]{6,40}")
_TRIED = 40  # distinct texts


def is_time_text(text: str) -> bool:
    """Whether one text is a timestamp in any of the formats, and no plain number.

    >>> [is_time_text(each) for each in ("2026-03-01T00:00:00Z", "01.03.2026 06:00", "12.5", "on")]
    [True, True, False, False]
    """
    return bool(_ISO.fullmatch(text)) or bool(formats_of([text], plain=False))


def is_clock_text(text: str) -> bool:
    """Whether a text is a time of day.

    >>> is_clock_text("06:00"), is_clock_text("06:00:00.5"), is_clock_text("0600")
    (True, True, False)
    """
    return _CLOCK.fullmatch(text) is not None


def is_iso(texts: Sequence[str]) -> bool:
    """Whether all texts are ISO 8601, which DuckDB casts itself."""
    return all(_ISO.fullmatch(text) for text in texts)


def offsets_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the offsets from UTC in some texts, sorted; "" for a text without one.

    >>> offsets_of(["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"])
    ('+01:00', '+02:00')
    """
    found = (OFFSET.fullmatch(text.strip()) for text in texts)
    return tuple(sorted({match[1] if match else "" for match in found}))


def spelled(form: str) -> str:
    """Return a format as people write it.

    >>> spelled("%d/%m/%Y %H:%M"), spelled("%m/%d/%y %I:%M:%S %p"), spelled("%d %b %Y")
    ('DD/MM/YYYY hh:mm', 'MM/DD/YY hh:mm:ss AM', 'DD MON YYYY')
    """
    for token, letters in zip(_TOKENS, _SPELLED, strict=True):
        form = form.replace(token, letters)
    return form


def exchanged(form: str) -> str | None:
    """Return the format with day and month exchanged, if texts in it may be in that one, too.

    >>> exchanged("%d/%m/%Y %H:%M"), exchanged("%d.%m.%Y")
    ('%m/%d/%Y %H:%M', None)
    """
    other = form.translate(_EXCHANGE)
    return other if other != form and other in FORMATS else None


def formats_of(texts: Sequence[str], *, plain: bool = True) -> tuple[str, ...]:
    """Return the formats that all texts have; several where day and month may be exchanged.

    With `plain`, digits alone are a date too.

    >>> formats_of(["31.12.2025 23:59"]), formats_of(["01/02/2026 06:00"])
    (('%d.%m.%Y %H:%M',), ('%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M'))
    """
    tried = list(dict.fromkeys(texts))[:_TRIED]
    if not tried or not all(_SHAPE.fullmatch(text) for text in tried):
        return ()
    if not plain and all(text.isdigit() for text in tried):
        return ()
    return tuple(form for form in FORMATS if all(_fits(text, form) for text in tried))


def _fits(text: str, form: str) -> bool:
    try:
        found = datetime.strptime(text, form)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    digits = sum(each.isdigit() for each in text)
    least = 14 if form.endswith("%H%M%S") else 8 if form == "%Y%m%d" else 0
    return 1970 <= found.year <= 2200 and digits >= least  # noqa: PLR2004
