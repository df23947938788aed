"""How texts for people list things."""

from __future__ import annotations

from collections.abc import Iterable


def list_some(items: Iterable[str], *, most: int, separator: str = ", ") -> str:
    """List a few texts, and how many more there are.

    >>> list_some("abcdefg", most=5)
    'a, b, c, d, e and 2 more'
    """
    listed = list(items)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return separator.join(listed[:most]) + more
