"""Partitions on a Dask cluster of this machine: the bytes of a local run, whatever dies."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import harm
import pyarrow.parquet as pq
import pytest
from dask_cluster import can_hide, dask_cluster, wait_until
from plant import DAYS, Plant, contents, settings, settings_of_each

from aedetect.config import make_config, of_value
from aedetect.errors import ClusterError
from aedetect.execution import dask_engine, describe_cluster
from aedetect.jobs import expected_around
from aedetect.jobs.line_cache import read_lines
from aedetect.jobs.lines_ahead import draw_ahead
from aedetect.jobs.scoring import PLAIN, run_scoring
from aedetect.jobs.training_many import train_many
from aedetect.output.filesystem import output_path
from aedetect.registry import fetch_version
from aedetect.scoring import grouping, sharding
from aedetect.scoring.settings import ScoringSettings

PARTITIONS = 72  # three days by the hour


@pytest.fixture(scope="module")
def cluster():
    """Start a scheduler and three workers once."""
    with dask_cluster(workers=3) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def hourly(tmp_path_factory, trained, arrived):
    """Score three days by the hour in this process: the plant, and the summary."""
    folder = tmp_path_factory.mktemp("hourly")
    shutil.copytree(arrived, folder / "incoming")
    plant = Plant(folder=folder, uri=trained.uri)
    return plant, plant.score(partition="hour")


@pytest.fixture
def apart(monkeypatch):
    """Compute each partition by itself: there is something left when a process is killed."""
    monkeypatch.setattr(grouping, "_FEWEST_ROWS", 1)
    monkeypatch.setattr(grouping, "_MOST_ROWS", 1)


def on(cluster, output):
    """Return the settings for a run on a cluster."""
    return {"partition": "hour", "output": output, "executor": "dask", "address": cluster.address}


def written(folder):
    """Return the published partitions of an output."""
    return list(folder.glob("scores/**/*.parquet"))


def published(output):
    """Return the files in their places; the next run removes what killed workers left aside."""
    return {name: data for name, data in harm.pure(output).items() if not name.startswith(".aside")}


def begin(plant, cluster, output):
    """Score in a thread, and wait until a partition is written; a function that gives the end."""
    ended = []

    def score():
        try:
            ended.append(plant.score(**on(cluster, output)))
        except ClusterError as error:
            ended.append(error)

    thread = threading.Thread(target=score, daemon=True)
    thread.start()
    wait_until(lambda: written(plant.folder / output) or not thread.is_alive())

    def end():
        thread.join(180)
        return ended[0]

    return end


def test_a_cluster_is_described(cluster):
    """`check` shows it."""
    expected = f"dask at {cluster.address} answers: 3 workers, 3 cores"
    assert describe_cluster("dask", cluster.address) == expected


def test_workers_draw_the_lines_of_new_events(cluster, plant, monkeypatch):
    """This process needs no network for the page."""
    monkeypatch.setattr(expected_around, "draw_lines", None)  # not in this process
    config = plant.config(**on(cluster, "drawn") | {"partition": "day"})
    run_scoring(config, stages=replace(PLAIN, draw_lines=draw_ahead))
    assert any(read_lines(config.output).values())


def one_dies(mark, _item):
    """End the first process that comes here, without a word."""
    with suppress(FileExistsError):
        Path(mark.decode()).touch(exist_ok=False)
        os._exit(1)
    return b"alive"


def test_a_worker_that_is_lost_while_it_is_looked_at_is_left_out(cluster, tmp_path):
    """Others compute for it, as for one that is lost later."""
    with dask_engine.dask_connected(cluster.address) as connected:
        found = connected.everywhere(one_dies, str(tmp_path / "mark").encode())
    assert list(found.values()) == [b"alive", b"alive"]
    wait_until(lambda: len(cluster.workers) == 2, pause=0.2)
    (lost,) = {"w0", "w1", "w2"} - set(cluster.workers)
    cluster.add_worker(lost)


def test_workers_train_what_this_machine_trains(cluster, tmp_path, make_frame, write):
    """The detector of each value is the same; one that fails is named."""
    frame = make_frame(units=("east", "west"), rows=400)
    write(frame.iloc[:450], tmp_path / "in" / "day.parquet")
    given = settings_of_each("unit", scoring={"executor": "dask", "address": cluster.address})
    config = make_config(given, folder=tmp_path)
    east, west = train_many([config])
    assert west.error.startswith("no window of 4 rows")
    (here,) = train_many([of_value(replace(config, scoring=ScoringSettings()), "east")])
    first, second = (
        fetch_version(each.registered, tracking_uri=config.tracking_uri) for each in (east, here)
    )
    assert [each.registered.version for each in (east, here)] == [1, 2]
    assert contents(first) == contents(second)


def test_the_bytes_and_the_report_are_those_of_a_local_run(hourly, cluster, caplog):
    """The log has an event for each partition, as in a local run."""
    plant, local = hourly
    with caplog.at_level("INFO", logger="aedetect.execution"):
        remote = plant.score(**on(cluster, "remote"))
    assert published(plant.folder / "remote") == published(plant.output)
    assert replace(remote, output=local.output) == local
    events = [record.event for record in caplog.records]
    assert events == ["cluster", *["partition"] * PARTITIONS]


def test_a_day_that_is_too_large_for_a_worker_is_divided(hourly, cluster, monkeypatch, caplog):
    """By entities, and merged: the bytes of one that is computed in one piece."""
    plant, _ = hourly
    monkeypatch.setattr(sharding, "_FEWEST_CELLS", 7_000)  # 1,000 rows of three columns
    day = {"partition": "day", "input": f"incoming/{DAYS[1]}.parquet"}
    local = plant.score(**day, output="whole")
    with caplog.at_level("INFO", logger="aedetect.execution"):
        remote = plant.score(**on(cluster, "divided") | day)
    assert published(plant.folder / "divided") == published(plant.folder / "whole")
    assert replace(remote, output=local.output) == local
    assert [record.event for record in caplog.records] == ["cluster", "partition"]
    assert not (plant.folder / "divided" / ".aside").exists()


def test_a_second_run_computes_nothing(hourly, cluster):
    """Nor does it speak to the cluster."""
    plant, _ = hourly
    plant.score(**on(cluster, "twice"))
    again = plant.score(**on(cluster, "twice") | {"address": "tcp://127.0.0.1:9"})
    assert (again.partitions, again.current) == (0, PARTITIONS)


def test_work_of_killed_workers_is_done_by_others(hourly, cluster, apart):
    """Two of three workers are killed in the run; it completes, with the same bytes."""
    plant, local = hourly
    end = begin(plant, cluster, "killed")
    cluster.kill("w0")
    cluster.kill("w1")
    assert len(written(plant.folder / "killed")) < PARTITIONS
    try:
        summary = end()
        assert replace(summary, output=local.output) == local
        assert published(plant.folder / "killed") == published(plant.output)
    finally:
        cluster.add_worker("w0")
        cluster.add_worker("w1")


def test_a_killed_run_is_completed_by_the_next(hourly, cluster, monkeypatch, apart):
    """The workers still compute for the killed run while the next one does: no harm."""
    plant, _ = hourly
    path = plant.written(**on(cluster, "again"))
    driver = harm.start(harm.score, path, "again")
    wait_until(lambda: written(plant.folder / "again"))
    driver.kill()
    driver.join()
    plant.score(**on(cluster, "again"))
    assert published(plant.folder / "again") == published(plant.output)
    wait_until(lambda: not any(cluster.workers.values()))
    assert published(plant.folder / "again") == published(plant.output)


def test_a_worker_without_the_folder_is_named_before_any_work(hourly, cluster):
    """The message has the worker, the folder and the remedy."""
    if not can_hide():
        pytest.skip("mounting is not permitted")
    plant, _ = hourly
    cluster.add_worker("blind", without=plant.folder)
    try:
        with pytest.raises(ClusterError) as refused:
            plant.score(**on(cluster, "unseen"))
    finally:
        cluster.kill("blind")
    text = str(refused.value)
    assert "(blind) does not see the files of" in text
    assert f"at the same path ({plant.folder / 'unseen'})" in text
    assert not written(plant.folder / "unseen")


def test_a_lost_scheduler_ends_the_run_with_its_address(hourly, apart):
    """What is written is whole, and the next run completes it."""
    plant, _ = hourly
    with dask_cluster(workers=1) as own:
        end = begin(plant, own, "lost")
        own.kill("scheduler")
        error = end()
    assert isinstance(error, ClusterError)
    assert f"dask at {own.address} did not complete the run (the scheduler is gone)" in str(error)
    done = written(plant.folder / "lost")
    assert 0 < len(done) < PARTITIONS
    for path in done:
        pq.read_table(path)
    plant.score(partition="hour", output="lost")
    assert published(plant.folder / "lost") == published(plant.output)
    assert not (plant.folder / "lost" / ".aside").exists()


def test_input_and_output_on_object_storage(hourly, bucket, aws):
    """Workers need the settings of the storage, and no shared folder."""
    plant, _ = hourly
    remote = output_path(bucket)
    for path in plant.incoming.iterdir():
        remote.fs.put_file(str(path), f"{remote.path.rstrip('/')}/incoming/{path.name}")
    with dask_cluster(workers=1, settings=aws) as own:
        keys = on(own, f"{bucket}/verdicts") | {"input": f"{bucket}/incoming"}
        plant.score(**keys)
    root = output_path(f"{bucket}/verdicts")
    root.fs.invalidate_cache()
    found = {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and str(path.relative_to(root)).startswith(("scores/", "flagged/"))
    }
    local = published(plant.output)
    assert found == {name: local[name] for name in found}
    assert sum(name.startswith("scores/") for name in found) == PARTITIONS


def test_the_flow_computes_on_the_cluster_in_one_task(prefect, hourly, cluster):
    """Prefect has no task for each group."""
    from pipelines.scoring import scoring as flow

    plant, _ = hourly
    flow(str(plant.written(**on(cluster, "flow"))))
    assert published(plant.folder / "flow") == published(plant.output)


def test_thresholds_follow_on_a_cluster(trained, arrived, tmp_path, cluster):
    """One step after the other, each with the calibration that it is judged by."""
    outputs = []
    for name, keys in (("here", {}), ("there", {"executor": "dask", "address": cluster.address})):
        folder = tmp_path / name
        shutil.copytree(arrived, folder / "incoming")
        shutil.copytree(trained.folder / "mlruns", folder / "mlruns")
        given = settings(
            calibration={"shapes": 0.0, "renew": "1d"}, scoring={"input": "incoming", **keys}
        )
        summary = run_scoring(make_config(given, folder=folder))
        assert summary.calibration_version == len(DAYS)
        outputs.append(contents(folder / "output"))
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense:nowhere"])
def test_a_cluster_that_does_not_answer_is_named(hourly, monkeypatch, address):
    """With the remedy."""
    monkeypatch.setattr(dask_engine, "_CONNECT", 1)
    plant, _ = hourly
    with pytest.raises(ClusterError, match=f"dask at {address} does not answer"):
        plant.score(partition="hour", output="none", executor="dask", address=address)


def test_a_cluster_without_workers_is_named(monkeypatch):
    """After a time in which they might have come."""
    monkeypatch.setattr(dask_engine, "_WORKERS", 0)
    with (
        dask_cluster(workers=0) as own,
        pytest.raises(ClusterError, match="has no workers: start some with `dask worker tcp://"),
    ):
        describe_cluster("dask", own.address)
