"""The identity of a process, and whether it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from pipelines.process_identity import Process, from_labels, this_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="the start time is only known on Linux")


def identity_of(child):
    """Return the identity that a child process reports."""
    return from_labels(eval(child.stdout.readline()))  # noqa: S307 - printed by our own child


@pytest.fixture
def child():
    """Start a process that prints its identity, and lives until its input ends."""
    code = (
        "from pipelines.process_identity import this_process\n"
        "print(this_process().labels, flush=True)\n"
        "input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_own_process_is_not_gone():
    """A process exists while it checks itself."""
    assert not this_process().is_gone


def test_labels_identify_the_process():
    """The labels of a run are enough to identify its process."""
    assert from_labels({**this_process().labels, "prefect.flow.id": "x"}) == this_process()


@pytest.mark.parametrize("labels", [{}, {"aedetect.pid": 1}, {"aedetect.place": "here"}])
def test_foreign_labels_name_no_process(labels):
    """The process of a foreign run is unknown."""
    assert from_labels(labels) is None


@linux
def test_killed_process_is_gone(child):
    """Also before its parent reads its exit status."""
    identity = identity_of(child)
    assert not identity.is_gone
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, exit status not read
    assert identity.is_gone
    child.wait()
    assert identity.is_gone


@linux
def test_reused_pid_is_another_process():
    """A process with the same PID and another start time is another process."""
    assert replace(this_process(), started="1").is_gone


def test_nothing_is_certain_of_another_machine():
    """A PID that is free here may exist there."""
    assert not Process(place="elsewhere", pid=2**22 + 1, started="1").is_gone
