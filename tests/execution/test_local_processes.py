"""Processes that compute the partitions of a large run: the same bytes, and none is left behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from plant import DAYS, contents

from aedetect.errors import ClusterError, OutputError
from aedetect.execution import local_compute, local_pool
from aedetect.execution.local_compute import is_worth_processes
from aedetect.execution.local_pool import usable_cores
from aedetect.execution.local_processes import LocalProcesses
from aedetect.jobs import expected_around
from aedetect.jobs.line_cache import read_lines
from aedetect.jobs.lines_ahead import draw_ahead
from aedetect.jobs.scoring import PLAIN, resolve_model, run_scoring
from aedetect.jobs.scoring_plan import plan_run
from aedetect.output.partitions import Span
from aedetect.scoring import grouping, sharding
from aedetect.scoring.shards import Merge, Shard
from aedetect.timestamps import NANOSECONDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads compute")
ALONE = """
import sys, time
from pathlib import Path
from aedetect.execution.local_processes import LocalProcesses
from aedetect.scoring import Model
folder, output = sys.argv[1:]
model = Model(folder=folder, name="plant", version=1)
print(LocalProcesses(2).give(model=model, output=Path(output)).group, flush=True)
time.sleep(60)
"""


@pytest.fixture
def small(monkeypatch):
    """Let small runs have two processes, with a group for each day."""
    monkeypatch.setattr(local_compute, "_FEWEST_ROWS", 0)
    monkeypatch.setattr(local_compute, "usable_cores", lambda: 2)
    monkeypatch.setattr(grouping, "_FEWEST_ROWS", 1)


def planned(plant):
    """Return the model, the output and a group for each day."""
    config = plant.config()
    model = resolve_model(config)
    plant.output.mkdir()
    job = plan_run(config, model, span=Span(), scratch=plant.folder)
    return model, config.output, [(unit,) for unit in job.plan.compute]


def is_alive(group: int) -> bool:
    """Whether a process of the group still runs."""
    stats = [text.rpartition(")")[2].split() for text in _stats()]
    return any(int(fields[2]) == group and fields[0] != "Z" for fields in stats)


def _stats():
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            yield path.read_text()


@pytest.mark.usefixtures("small")
def test_processes_give_the_bytes_and_the_events_of_one(plant, monkeypatch, caplog):
    """Also where a file proves to be damaged; what they log is logged here, in order."""
    broken = plant.incoming / f"{DAYS[1]}.parquet"
    content = bytearray(broken.read_bytes())
    start = pq.read_metadata(broken).row_group(0).column(2).data_page_offset + 20
    content[start : start + 2000] = bytes(2000)
    broken.write_bytes(content)
    with caplog.at_level(logging.INFO, logger="aedetect"):
        summary = plant.score(output="two")
    told = [record.getMessage() for record in caplog.records if record.event == "partition"]
    assert [text.split()[1] for text in told] == [f"partition={DAYS[0]}", f"partition={DAYS[2]}"]
    deferred = [record for record in caplog.records if record.event == "deferred"]
    assert len(deferred) == 1
    monkeypatch.setattr(local_compute, "usable_cores", lambda: 1)
    assert plant.score(output="one").rows == summary.rows
    assert contents(plant.folder / "two") == contents(plant.folder / "one")


@pytest.mark.usefixtures("small")
def test_one_large_partition_is_divided_among_processes(plant, monkeypatch):
    """By entity, so that a day keeps all cores busy; the bytes are those of one process."""
    monkeypatch.setattr(sharding, "_FEWEST_CELLS", 700)
    divided = []
    compute_all = LocalProcesses.compute_all

    def noted(self, pieces):
        divided.extend(type(piece) for piece in pieces)
        return compute_all(self, pieces)

    monkeypatch.setattr(LocalProcesses, "compute_all", noted)
    start = pd.Timestamp(DAYS[1]).value
    day = Span(start, start + NANOSECONDS["d"])
    summary = plant.score(output="two", span=day)
    assert divided == [Shard, Shard, Merge]
    monkeypatch.setattr(local_compute, "usable_cores", lambda: 1)
    assert plant.score(output="one", span=day).rows == summary.rows
    assert contents(plant.folder / "two") == contents(plant.folder / "one")


@pytest.mark.usefixtures("small")
def test_they_draw_the_lines_of_new_events_before_they_end(plant, monkeypatch):
    """This process needs no network for the page; with one process nothing else is drawn."""
    closed: list[int] = []
    close = LocalProcesses.close
    monkeypatch.setattr(
        LocalProcesses, "close", lambda self: (closed.append(self.group), close(self))
    )
    config = plant.config(output="two")
    with monkeypatch.context() as here:
        here.setattr(expected_around, "draw_lines", None)  # not in this process
        run_scoring(config, stages=replace(PLAIN, draw_lines=draw_ahead))
    assert len(closed) == 1
    assert not is_alive(closed[0])
    lines = read_lines(config.output)
    assert any(lines.values())
    monkeypatch.setattr(local_compute, "usable_cores", lambda: 1)
    alone = plant.config(output="one")
    run_scoring(alone, stages=replace(PLAIN, draw_lines=draw_ahead))
    again = read_lines(alone.output)
    assert again.keys() == lines.keys()
    assert str(again) == str(lines)


@pytest.mark.usefixtures("small")
def test_a_killed_process_ends_the_run_and_the_next_does_the_rest(plant, monkeypatch):
    """With one sentence; the others end with it."""
    started: list[LocalProcesses] = []
    begin = LocalProcesses.begin

    def killing(self, groups):
        started.append(self)
        begin(self, groups[:1])
        self.compute(groups[0])
        os.killpg(self.group, signal.SIGKILL)
        return self.compute

    monkeypatch.setattr(LocalProcesses, "begin", killing)
    with pytest.raises(ClusterError, match="killed, or there is too little memory"):
        plant.score(output="killed")
    assert not is_alive(started[0].group)
    monkeypatch.setattr(LocalProcesses, "begin", begin)
    assert plant.score(output="killed").partitions == len(DAYS) - 1
    plant.score(output="usual")
    assert contents(plant.folder / "killed") == contents(plant.folder / "usual")


def test_processes_end_with_the_one_that_started_them(plant):
    """Even if it is killed; nothing of it is left running."""
    model, output, _ = planned(plant)
    command = [sys.executable, "-c", ALONE, model.folder, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        assert is_alive(group)
        parent.kill()
    deadline = time.monotonic() + 60
    while is_alive(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(group)


def test_an_error_of_a_process_is_raised_here(plant):
    """With its traceback as a note."""
    model, _, groups = planned(plant)
    processes = LocalProcesses(1).give(model=model, output=plant.folder / "train.parquet")
    try:
        with pytest.raises(OutputError, match=r"train\.parquet") as caught:
            processes.compute(groups[0])
    finally:
        processes.close()
    assert "Traceback" in caught.value.__notes__[0]


def test_small_runs_and_processes_of_a_pool_compute_alone(plant, monkeypatch):
    """Starting processes takes longer, or others use the cores; many partitions are not small."""
    _, _, groups = planned(plant)
    units = [unit for group in groups for unit in group]
    with monkeypatch.context() as two:
        two.setattr(local_compute, "usable_cores", lambda: 2)
        assert not is_worth_processes(units)
        assert is_worth_processes(units * 50)
    monkeypatch.setattr(local_pool._Process, "is_one_of_many", True)  # noqa: SLF001
    assert usable_cores() == 1
    monkeypatch.setattr(local_compute, "_FEWEST_ROWS", 0)
    assert not is_worth_processes(units)


def test_a_container_with_fewer_cores_is_respected(tmp_path, monkeypatch):
    """Its quota is in the files of the control group, in whole cores and at least one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(local_pool, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(local_pool, "_QUOTA_V1", (tmp_path / "quota", tmp_path / "period"))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for text, cores in {"max 100000": 8, "250000 100000": 2, "50000 100000": 1}.items():
        (tmp_path / "cpu.max").write_text(f"{text}\n")
        assert usable_cores() == cores
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "quota").write_text("300000\n")
    (tmp_path / "period").write_text("100000\n")
    assert usable_cores() == 3
