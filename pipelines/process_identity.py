"""The identity of a process, by which other processes check whether it is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "aedetect."
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of this or another machine."""

    place: str  # boot id of the machine, and PID namespace
    pid: int
    started: str  # clock ticks after boot, because PIDs are reused; empty when unknown

    @property
    def labels(self) -> dict[str, str | int]:
        """The labels of a flow run that identify its process."""
        return {
            f"{_PREFIX}place": self.place,
            f"{_PREFIX}pid": self.pid,
            f"{_PREFIX}started": self.started,
        }

    @property
    def is_gone(self) -> bool:
        """Whether it has certainly ended; False for processes of other machines."""
        if self.place != _place():
            return False
        started = _started(self.pid)
        return started is None or (started != self.started and bool(self.started))


def this_process() -> Process:
    """Return the current process."""
    pid = os.getpid()
    return Process(place=_place(), pid=pid, started=_started(pid) or "")


def from_labels(labels: Mapping[str, object]) -> Process | None:
    """Return the process in the labels of a flow run; None if there is none."""
    place, pid, started = (labels.get(f"{_PREFIX}{key}") for key in ("place", "pid", "started"))
    if place is None or not isinstance(pid, int):
        return None
    return Process(place=str(place), pid=pid, started=str(started or ""))


def _place() -> str:
    """Return the boot id, which containers of a machine share, and the PID namespace."""
    with suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    return socket.gethostname()  # no /proc: not Linux


def _started(pid: int) -> str | None:
    """Return the start time of a process, empty if unknown; None if it does not exist."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None if (_PROC / "self").exists() or not _answers(pid) else ""
    return None if fields[0] in "ZX" else fields[19]  # proc_pid_stat(5): state, starttime


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
