"""Processor seconds of a process and of all that it started, for several benchmarks."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def spent(*, daemons: Collection[bytes] = ()) -> float:
    """Return the seconds of this process, and of what it started, ended or not.

    Processes that let go of their parent are found by a word in their command line.
    """
    own = os.times()
    ended = own.user + own.system + own.children_user + own.children_system
    found = set(below(os.getpid()))
    if daemons:
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        found |= {pid for pid in pids if any(word in command_of(pid) for word in daemons)}
    return ended + sum(seconds_of(pid) for pid in found - {os.getpid()})


def below(pid: int) -> list[int]:
    """Return the living descendants of a process."""
    found = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = each.read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            found += [child, *below(child)]
    return found


def seconds_of(pid: int) -> float:
    """Return the seconds of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def command_of(pid: int) -> bytes:
    """Return the command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
