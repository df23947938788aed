"""Which process does something, and whether it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from pipelines.process_identity import Process, from_labels, this_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody says when it started")


def identity_of(child):
    """Return who a child of this process is, in the child's own words."""
    return from_labels(eval(child.stdout.readline()))  # noqa: S307 - our own child says it


@pytest.fixture
def child():
    """Start a process that says who it is, and lives until its input ends."""
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


def test_process_that_asks_is_there():
    """Nobody is gone to itself."""
    assert not this_process().is_gone


def test_labels_say_who_it_is():
    """What a run carries is enough to know its process."""
    assert from_labels({**this_process().labels, "prefect.flow.id": "x"}) == this_process()


@pytest.mark.parametrize("labels", [{}, {"aedetect.pid": 1}, {"aedetect.place": "here"}])
def test_labels_of_others_name_no_process(labels):
    """A run that is not ours has no process that we know."""
    assert from_labels(labels) is None


@linux
def test_killed_process_is_gone(child):
    """Also before its parent asks how it ended."""
    identity = identity_of(child)
    assert not identity.is_gone
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, its exit status not taken
    assert identity.is_gone
    child.wait()
    assert identity.is_gone


@linux
def test_number_that_is_used_again_is_another_process():
    """A process of the same number that started at another moment is not the one."""
    assert replace(this_process(), started="1").is_gone


def test_nothing_is_certain_of_another_machine():
    """A number that is free here says nothing about a process there."""
    assert not Process(place="elsewhere", pid=2**22 + 1, started="1").is_gone
