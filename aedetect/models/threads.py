"""One thread for what must round alike: matrix products on several threads round differently.

PyTorch keeps the number for each thread, and a thread takes over the number of whichever thread
set it last when it first computes (measured with 2.13). A count for the process would leave the
second of two threads with the number it had; so each thread sets and restores its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Thread(threading.local):
    """Of each thread: how deep it is in `one_thread`, and its number of threads outside."""

    depth = 0
    before = 0


class _Process:
    """How many threads are in `one_thread`, and the number that the first of them came with."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.outside = 0


_thread, _process = _Thread(), _Process()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on the calling thread alone, and restore its number of threads after.

    May be nested, and entered by several threads at once. Not for generators: the body has to end
    in the thread in which it began.

    >>> import torch
    >>> before = torch.get_num_threads()
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    if _thread.depth == 0:
        _enter()
    _thread.depth += 1
    try:
        yield
    finally:
        _thread.depth -= 1
        if _thread.depth == 0:
            _leave()


def _enter() -> None:
    import torch

    with _process.lock:
        before = torch.get_num_threads()
        if _process.inside == 0:
            _process.outside = before
        elif before == 1:  # taken over from a thread that is inside, and not the caller's wish
            before = _process.outside
        _process.inside += 1
        _thread.before = before
        torch.set_num_threads(1)


def _leave() -> None:
    import torch

    with _process.lock:
        _process.inside -= 1
        torch.set_num_threads(_thread.before)
