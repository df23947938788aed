"""Lists that Prefect's API gives page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar
from uuid import UUID


class Identified(Protocol):
    """What the API lists."""

    @property
    def id(self) -> UUID:
        """What tells it from all others."""


T = TypeVar("T", bound=Identified)


def all_pages(read: Callable[[int], Sequence[T]]) -> Iterator[T]:
    """Yield what every page holds, each once; `read` gives the page that begins at an offset.

    How long a page is, the server says. A page that brings nothing new is the last, whatever the
    server does.
    """
    seen: set[UUID] = set()
    while page := [each for each in read(len(seen)) if each.id not in seen]:
        seen.update(each.id for each in page)
        yield from page
