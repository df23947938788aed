"""Processes that computed partitions, kept for what comes after them.

They have the detector in memory, which the process that started them has not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aedetect.execution.local_processes import LocalProcesses


class KeptProcesses:
    """The processes that computed last, with the detector in memory; None where threads did."""

    processes: LocalProcesses | None = None

    def replace(self, processes: LocalProcesses | None) -> None:
        """Keep other processes, and end those kept so far."""
        before, self.processes = self.processes, processes
        if before is not None:
            before.close()


_kept: ContextVar[KeptProcesses | None] = ContextVar("kept", default=None)


@contextmanager
def keeping_processes() -> Iterator[KeptProcesses]:
    """Keep processes beyond their work, for calls that need the detector; they end with this."""
    kept = KeptProcesses()
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)
        kept.replace(None)


def keep_or_close(processes: LocalProcesses) -> None:
    """Hand over processes whose work is done, or end them where nobody keeps any."""
    kept = _kept.get()
    if kept is None:
        processes.close()
    else:
        kept.replace(processes)
