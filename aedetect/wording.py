"""How texts for people list things, and how names stay text where markdown is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:00)?(?=$|[+-]\S*$)")
_WHOLE, _LARGE = 1_000, 1e15
_PLAIN = re.compile(r"[\w.:;,%()/+='\"°? -]*")
# What begins a list, a rule or a link, and underscores that do not stand within a word.
_MARKUP = re.compile(r"([-+]|\d+[.)])(\s|$)|--|.*(//|www\.|\b_|_\b)")


def figure(value: float) -> str:
    """Format a number as people write it, to three digits.

    >>> [figure(each) for each in (1372.4, 0.01234, 50012, 2.5, 1e18, 7)]
    ['1,372', '0.0123', '50,012', '2.5', '1e+18', '7']
    """
    return f"{value:,.0f}" if _WHOLE <= abs(value) < _LARGE else f"{value:.3g}"


def percent(share: float) -> str:
    """Format a share as people write it, to three digits.

    >>> [percent(each) for each in (0.01, 0.03218, 0.0, 0.00124, 1.0)]
    ['1%', '3.22%', '0%', '0.124%', '100%']
    """
    return f"{100 * share:.3g}%"


def fact_text(text: str) -> str:
    """Return a recorded fact as people write it: a number, a time, or settings in JSON.

    >>> fact_text("31651"), fact_text("2026-02-20T00:00:00"), fact_text("0.1.0+62ab")
    ('31,651', '2026-02-20 00:00', '0.1.0+62ab')
    >>> fact_text('{"renewed_from": "14d", "since": "2026-04-22 00:00:00"}')
    'renewed from 14d, since 2026-04-22 00:00'
    """
    if text.isdecimal():
        return f"{int(text):,}"
    if text.startswith("{"):
        listed = json.loads(text).items()
        return ", ".join(f"{key.replace('_', ' ')} {fact_text(str(each))}" for key, each in listed)
    return _TIME.sub(r"\1 \2", text)


def list_some(items: Iterable[str], *, most: int, separator: str = ", ") -> str:
    """List a few texts, and how many more there are.

    >>> list_some("abcdefg", most=5)
    'a, b, c, d, e and 2 more'
    """
    listed = list(items)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return separator.join(listed[:most]) + more


def plural(count: int, word: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "event"), plural(1372, "event"), plural(0, "event")
    ('1 event', '1,372 events', 'no events')
    """
    if count == 1:
        return f"1 {word}"
    return f"{count:,} {word}s" if count else f"no {word}s"


def markdown_code(text: str) -> str:
    """Write a text that holds names of columns and files so that no markdown is read in it.

    Within a code span nothing is markup: no image, link, heading or tag; its fence is longer than
    any run of backticks in it.

    >>> markdown_code("[pump](http://x.invalid)"), markdown_code("a`b")
    ('`[pump](http://x.invalid)`', '``a`b``')
    """
    line = "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def markdown_text(text: str, *, table: bool = False) -> str:
    """Write a text as it is when no markdown can be read in it, otherwise as code.

    With `table` for a cell of a table in markdown, where a bar would end the cell.

    >>> markdown_text("cpu_r 0.9, normally 0.2"), markdown_text("<b>"), markdown_text("1. x")
    ('cpu_r 0.9, normally 0.2', '`<b>`', '`1. x`')
    """
    line = " ".join(text.split())
    if _PLAIN.fullmatch(line) and not _MARKUP.match(line):
        return line
    return markdown_code(line).replace("|", "\\|") if table else markdown_code(line)
