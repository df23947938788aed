"""Reading lists page by page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pipelines.paging import all_pages


@dataclass(frozen=True)
class Item:
    """Something with an id."""

    id: UUID


ITEMS = [Item(UUID(int=number)) for number in range(7)]


def test_every_page_is_read():
    """The last page may be shorter or absent."""
    assert list(all_pages(lambda offset: ITEMS[offset : offset + 3])) == ITEMS
    assert list(all_pages(lambda offset: ITEMS[:6][offset : offset + 3])) == ITEMS[:6]
    assert list(all_pages(lambda _: [])) == []


def test_repeated_page_ends_the_list():
    """There is no endless loop, and no item is repeated."""
    assert list(all_pages(lambda _: ITEMS[:3])) == ITEMS[:3]


def test_item_that_moves_to_the_next_page_is_read_once():
    """A new item at the front shifts the others while they are read."""
    pages = iter([ITEMS[:3], ITEMS[2:5], []])
    assert list(all_pages(lambda _: next(pages))) == ITEMS[:5]
