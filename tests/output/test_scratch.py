"""Folders for temporary files: what killed processes left is removed, what is in use is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from plant import settings, table, write, write_config

from aedetect.output import scratch
from aedetect.output.scratch import temporary_folder

_HOLD = """
import os, sys, time
from aedetect.output.scratch import temporary_folder
with temporary_folder() as folder:
    (folder / "spool").write_bytes(b"x" * 100)
    if sys.argv[1] == "fork" and os.fork() == 0:
        time.sleep(60)
    print(folder, os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder for temporary files of this process and those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    scratch._sweep_temporary.cache_clear()  # noqa: SLF001 - it is done once in a process


def holding(how="alone"):
    """Start a process that holds a folder; return both."""
    started = subprocess.Popen(
        [sys.executable, "-c", _HOLD, how],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return started, Path(started.stdout.readline().split()[0])


def killed(process):
    """Kill a process as the system does when memory is short."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_what_a_killed_process_left_is_removed(place):
    """By the next that needs a folder; that of a living one stays, and so does anything else."""
    (living, kept), (dead, left) = holding(), holding()
    other = place / "aedetect-by-hand"
    other.mkdir()
    killed(dead)
    assert (left / "spool").exists()
    with temporary_folder() as own:
        assert sorted(place.iterdir()) == sorted([kept, own, other])
        assert (kept / "spool").exists()
    killed(living)
    assert sorted(place.iterdir()) == sorted([kept, other])


def test_children_of_a_killed_process_keep_its_folder(place):
    """Those that were forked may still read there, until they end as well."""
    parent, kept = holding("fork")
    killed(parent)
    with temporary_folder():
        assert (kept / "spool").exists()
    os.killpg(parent.pid, signal.SIGKILL)
    scratch._sweep_temporary.cache_clear()  # noqa: SLF001 - as another process
    deadline = time.monotonic() + 10
    while kept.exists() and time.monotonic() < deadline:
        scratch._sweep_temporary.cache_clear()  # noqa: SLF001 - until the child is gone
        with temporary_folder():
            time.sleep(0.01)
    assert not kept.exists()


def test_nothing_is_removed_through_a_link_or_of_another_user(place, tmp_path, monkeypatch):
    """Anyone may write to a folder for temporary files."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (place / "aedetect-locked-link").symlink_to(precious)
    foreign = place / "aedetect-locked-foreign"
    foreign.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with temporary_folder():
        assert (precious / "file").exists()
        assert foreign.exists()


def test_where_nothing_can_be_locked_nothing_is_taken_for_left(place, monkeypatch):
    """As in some network folders: commands work, and remove only their own."""
    other = place / "aedetect-locked-other"
    other.mkdir()

    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(scratch.fcntl, "flock", refuse)
    with temporary_folder() as own:
        assert sorted(place.iterdir()) == sorted([other, own])
    assert list(place.iterdir()) == [other]


def test_the_spool_of_a_killed_training_is_removed_by_the_next_command(place, tmp_path):
    """Whole, of a training that was killed while it prepared rows on disk."""
    write(table("2026-01-01", days=60), tmp_path / "train.parquet")
    write_config(tmp_path / "plant.toml", settings(scoring={"input": "train.parquet"}))
    command = [sys.executable, "-m", "aedetect"]
    started = subprocess.Popen(
        [*command, "train", "plant.toml"], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not spooled(place) and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(started.pid, signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    started.stdout.close()
    assert spooled(place)
    subprocess.run([*command, "check", "plant.toml"], cwd=tmp_path, check=True)
    assert not list(place.glob("aedetect-*"))


def spooled(place):
    """Return the files with rows that a training has written."""
    return [
        path for path in place.glob("aedetect-*/**/*") if path.is_file() and path.stat().st_size
    ]
