"""Processes that are started before it is known what they compute, where that will be much.

Importing PyTorch takes a worker longer than the command that plans its work takes for that, and the
other cores have nothing to do meanwhile. So a command looks how much input is new since it looked
last, by sizes and times alone, and starts the processes if that is much. They end when it was not:
nothing but time of a processor depends on the guess.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from aedetect.execution.local_pool import usable_cores
from aedetect.execution.local_processes import LocalProcesses

_MUCH = 1_000_000  # rows; from half of it on, processes compute them
_SUFFIX = ".parquet"


@dataclass
class _Early:
    """Processes that wait for their job; None once they have it."""

    processes: LocalProcesses | None


_early: ContextVar[_Early | None] = ContextVar("early", default=None)


@contextmanager
def starting_early(locations: Sequence[str], *, since: int | None) -> Iterator[None]:
    """Start processes for the body if much input is newer than a moment (ns), or with None at all.

    Those that the body did not take are ended.
    """
    if sys.platform != "linux" or usable_cores() == 1 or not _is_much(locations, since or 0):
        yield
        return
    token = _early.set(_Early(LocalProcesses(usable_cores())))
    try:
        yield
    finally:
        end_early()
        _early.reset(token)


def started_ahead() -> LocalProcesses | None:
    """Return processes that wait for a job, for who asks first; None without any."""
    early = _early.get()
    if early is None:
        return None
    taken, early.processes = early.processes, None
    return taken


def end_early() -> None:
    """End processes that wait for a job, and will get none."""
    processes = started_ahead()
    if processes is not None:
        processes.kill()
        processes.close()


def _is_much(locations: Sequence[str], since: int) -> bool:
    """Whether the files of folders of this machine that changed after a moment hold many rows."""
    try:
        new = [each for place in locations for each in _changed(place, since)]
        if not new:
            return False
        size, path = max(new)
        return _rows(path) * sum(each for each, _ in new) >= _MUCH * size
    except Exception:  # what is wrong with the input is told where it is read
        return False


def _changed(location: str, since: int) -> Iterator[tuple[int, str]]:
    """Yield size and path of the files of a folder that changed, if the folder itself did."""
    if not Path(location).is_dir() or Path(location).stat().st_mtime_ns <= since:
        return
    for at, _, names in os.walk(location):
        for name in names:
            path = f"{at}/{name}"
            if name.endswith(_SUFFIX) and (found := Path(path).stat()).st_mtime_ns > since:
                yield found.st_size, path


def _rows(path: str) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)
