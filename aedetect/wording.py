"""How texts for people list things."""

from __future__ import annotations

from collections.abc import Iterable

_WHOLE, _LARGE = 1_000, 1e15


def figure(value: float) -> str:
    """Format a number as people write it, to three digits.

    >>> [figure(each) for each in (1372.4, 0.01234, 50012, 2.5, 1e18, 7)]
    ['1,372', '0.0123', '50,012', '2.5', '1e+18', '7']
    """
    return f"{value:,.0f}" if _WHOLE <= abs(value) < _LARGE else f"{value:.3g}"


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
