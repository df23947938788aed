"""Work on many files in a few threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
_PARTS = 32  # for each thread: large files are shared evenly, and small ones take no task each


def in_threads(work: Callable[[_T], _R], items: Sequence[_T], *, threads: int) -> list[_R]:
    """Work on files in threads, which take many each: a task takes as long as a small file."""
    size = max(-(-len(items) // (threads * _PARTS)), 1)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(max_workers=threads) as pool:
        done = pool.map(lambda part: list(map(work, part)), parts)
        return [each for part in done for each in part]
