"""Processes that are started before the plan: taken by a large run, ended where there is none."""

from __future__ import annotations

import os
import sys
import time

import pytest
from plant import DAYS, contents

from aedetect.execution import early_processes, local_compute
from aedetect.execution.early_processes import end_early, started_ahead, starting_early
from aedetect.execution.local_processes import LocalProcesses
from aedetect.scoring import grouping
from aedetect.scoring.input_cache import looked_at

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads compute")


@pytest.fixture
def started(monkeypatch):
    """The processes that are started, in order; any new row is much, and there are two cores."""
    monkeypatch.setattr(early_processes, "_MUCH", 1)
    monkeypatch.setattr(early_processes, "usable_cores", lambda: 2)
    found: list[LocalProcesses] = []
    begin = LocalProcesses.__init__

    def noted(self, count):
        begin(self, count)
        found.append(self)

    monkeypatch.setattr(LocalProcesses, "__init__", noted)
    return found


def has_ended(processes: LocalProcesses) -> bool:
    """Whether the first of the processes is gone, and was waited for."""
    return processes._process.returncode is not None  # noqa: SLF001 - nothing public tells


def test_a_large_run_takes_them(plant, monkeypatch, started):
    """No others are started; the bytes are those of a run without."""
    monkeypatch.setattr(local_compute, "_FEWEST_ROWS", 0)
    monkeypatch.setattr(local_compute, "usable_cores", lambda: 2)
    monkeypatch.setattr(grouping, "_FEWEST_ROWS", 1)
    with starting_early([str(plant.incoming)], since=None):
        assert len(started) == 1
        plant.score(output="early")
        assert has_ended(started[0])
    assert len(started) == 1
    plant.score(output="late")
    assert len(started) == 2
    assert contents(plant.folder / "early") == contents(plant.folder / "late")


def test_they_end_where_a_run_needs_none(plant, started):
    """As soon as it is known: a small run computes in its own process, an idle one nowhere."""
    with starting_early([str(plant.incoming)], since=None):
        plant.score()
        assert has_ended(started[0])
    with starting_early([str(plant.incoming)], since=None):
        assert not has_ended(started[1])
    assert has_ended(started[1])
    assert started_ahead() is None
    end_early()


def test_only_what_is_new_counts(plant, started):
    """A folder that did not change since is not looked through; a file may be new in an old one."""
    plant.score()
    now = time.time_ns()
    since = looked_at(plant.output)
    assert since is None or since <= now
    places = [str(plant.incoming), str(plant.incoming / "none"), str(plant.incoming / "*.parquet")]
    with starting_early(places, since=now + 1):
        assert not started
    os.utime(plant.incoming / f"{DAYS[0]}.parquet", ns=(now + 9, now + 9))
    with starting_early(places, since=now + 1):
        assert not started
    os.utime(plant.incoming, ns=(now + 9, now + 9))
    with starting_early(places, since=now + 1):
        assert len(started) == 1
    (plant.incoming / "broken.parquet").write_bytes(b"no Parquet at all" * 10_000)
    with starting_early(places, since=None):
        assert len(started) == 1
