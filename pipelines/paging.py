"""Read all pages of lists of Prefect's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar
from uuid import UUID


class Identified(Protocol):
    """An item of the API with an id."""

    @property
    def id(self) -> UUID:
        """The unique id."""


T = TypeVar("T", bound=Identified)


def all_pages(read: Callable[[int], Sequence[T]]) -> Iterator[T]:
    """Yield the items of all pages, each once; `read` returns the page that begins at an offset.

    The server chooses the page size. A page without new items is the last, whatever the server
    returns.
    """
    seen: set[UUID] = set()
    while page := [each for each in read(len(seen)) if each.id not in seen]:
        seen.update(each.id for each in page)
        yield from page
