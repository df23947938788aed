"""Lists that come page by page."""

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
    """The last one is shorter, or there is none."""
    assert list(all_pages(lambda offset: ITEMS[offset : offset + 3])) == ITEMS
    assert list(all_pages(lambda offset: ITEMS[:6][offset : offset + 3])) == ITEMS[:6]
    assert list(all_pages(lambda _: [])) == []


def test_server_that_gives_the_same_page_again_ends_the_list():
    """Whatever the offset: nothing is asked for without end, and nothing comes twice."""
    assert list(all_pages(lambda _: ITEMS[:3])) == ITEMS[:3]


def test_item_that_moves_to_the_next_page_comes_once():
    """Something new at the front pushes the others on while they are read."""
    pages = iter([ITEMS[:3], ITEMS[2:5], []])
    assert list(all_pages(lambda _: next(pages))) == ITEMS[:5]
