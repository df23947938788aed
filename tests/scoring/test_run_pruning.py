"""The record of runs is bounded, and no run is removed before it expires."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aedetect.errors import NoData, OutputError
from aedetect.scoring import Summary
from aedetect.scoring import run_pruning as pruning
from aedetect.scoring.run_log import read_runs, recording_run, write_run
from aedetect.scoring.run_pruning import prune_runs

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEEP = timedelta(days=90)


def run(output, days, number=0, **given):
    """Record a run of some days ago."""
    started = (NOW - timedelta(days=days)).replace(minute=number).isoformat()
    summary = Summary(status="done", model="pump/1", output="", started=started, **given)
    return write_run(output, summary, run_id=f"{days:04}{number:04}")


@pytest.fixture
def output(tmp_path):
    """Runs of today, of two earlier days and of long ago."""
    for days in (0, 1, 30, 89, 90, 91, 200):
        for number in range(3):
            run(tmp_path, days, number, not_scored={"gap": number}, alerts={"stale": "old"})
    return tmp_path


def names(output):
    """The files of the record, by day."""
    return {day.name: sorted(p.name for p in day.iterdir()) for day in (output / "runs").iterdir()}


def test_days_that_are_over_become_one_file_and_old_ones_go(output):
    """Today's files are unchanged; the oldest day kept is kept completely."""
    before = read_runs(output, limit=100)
    prune_runs(output, now=NOW, keep=KEEP)
    found = names(output)
    assert found.pop("date=2026-03-10") == [
        f"20260310T12{number:02}00.000000Z-0000{number:04}.parquet" for number in range(3)
    ]
    oldest = f"date={NOW - KEEP:%Y-%m-%d}"
    assert (min(found), len(found)) == (oldest, 4)
    assert set(map(tuple, found.values())) == {("day.parquet",)}
    assert read_runs(output, limit=100) == before[:15]
    assert read_runs(output, limit=4) == before[:4]


def test_pruning_again_changes_nothing(output):
    """Until a day ends, or a run of an earlier day ends late."""
    prune_runs(output, now=NOW, keep=KEEP)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}
    prune_runs(output, now=NOW, keep=KEEP)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")} == before
    run(output, 1, 9)
    assert read_runs(output, limit=100)[3]["run_id"] == "00010009"
    prune_runs(output, now=NOW, keep=KEEP)
    assert names(output)["date=2026-03-09"] == ["day.parquet"]
    assert [each["run_id"] for each in read_runs(output, limit=100)][3:7] == [
        f"0001{number:04}" for number in (9, 2, 1, 0)
    ]


@pytest.mark.parametrize("done", range(1, 8))
def test_a_run_that_is_killed_while_it_prunes_loses_and_repeats_nothing(output, monkeypatch, done):
    """After any file that it publishes or removes."""
    before, left = read_runs(output, limit=15), done

    def counted(change):
        def changed(*args, **options):
            nonlocal left
            change(*args, **options)
            left -= 1
            if not left:
                raise KeyboardInterrupt

        return changed

    with monkeypatch.context() as patched:
        for name in ("publish", "withdraw"):
            patched.setattr(pruning, name, counted(getattr(pruning, name)))
        with pytest.raises(KeyboardInterrupt):
            prune_runs(output, now=NOW, keep=KEEP)
    assert read_runs(output, limit=15) == before
    prune_runs(output, now=NOW, keep=KEEP)
    assert read_runs(output, limit=100) == before


def test_a_damaged_file_is_kept(output):
    """Its day is unchanged, and all others are merged."""
    path = run(output, 30, 7)
    path.write_bytes(b"nothing")
    prune_runs(output, now=NOW, keep=KEEP)
    assert len(names(output)["date=2026-02-08"]) == 4
    assert names(output)["date=2026-03-09"] == ["day.parquet"]
    with pytest.raises(OutputError, match="is damaged"):
        read_runs(output, limit=100)


def test_several_that_prune_at_once_lose_nothing(output):
    """One waits for the other."""
    before = read_runs(output, limit=15)
    threads = [
        threading.Thread(target=prune_runs, args=(output,), kwargs={"now": NOW, "keep": KEEP})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_runs(output, limit=100) == before


def record(output, keep="90d"):
    """Execute a run that fails like a scoring run."""
    with recording_run(
        output, model="pump/1", clock=lambda: NOW, stale_after=None, run_id="new", keep=keep
    ):
        raise NoData("nothing here")


def test_every_run_prunes_also_one_that_fails(output):
    """As configured."""
    with pytest.raises(NoData):
        record(output, "2d")
    assert sorted(names(output)) == ["date=2026-03-09", "date=2026-03-10"]


def test_failure_to_remove_old_runs_does_not_fail_the_run(output, monkeypatch, caplog):
    """It is logged in one line."""

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pruning, "publish", fail)
    with (
        caplog.at_level("WARNING"),
        recording_run(
            output, model="pump/1", clock=lambda: NOW, stale_after=None, run_id="new"
        ) as finish,
    ):
        finish(Summary(status="done", model="pump/1", output=""))
    assert "old runs are not removed" in caplog.text


def test_readers_of_the_folder_see_all_columns(output):
    """Also in the merged file of a day whose runs have columns of several versions."""
    paths = sorted(Path(output / "runs" / "date=2026-03-09").iterdir())
    table = pq.ParquetFile(paths[0]).read()
    pq.write_table(table.drop_columns(["error"]), paths[0])
    prune_runs(output, now=NOW, keep=KEEP)
    joined = pq.ParquetFile(output / "runs" / "date=2026-03-09" / "day.parquet").read()
    assert (set(joined.schema.names), len(joined)) == (set(table.schema.names), 3)
