"""The flows, on a real Prefect server: order, and which errors are retried."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from plant import DAYS, contents, settings, table, write, write_config

from aedetect import registry
from aedetect.errors import AedetectError, DataError, DeliveryError, NoData
from aedetect.jobs import dataset, scoring
from aedetect.scoring.run_log import read_runs
from pipelines import tasks


@pytest.fixture
def task_runs(prefect):
    """The task runs of the newest flow run as {name: number of attempts}."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import FlowRunSort

    async def read():
        async with get_client() as client:
            flow_run = (await client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1))[0]
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
            runs = await client.read_task_runs(flow_run_filter=chosen)
            return flow_run, {run.name: run.run_count for run in runs}

    return lambda: asyncio.run(read())


def test_training_flow_registers(prefect, tmp_path, task_runs):
    """The flow runs all stages and registers the detector."""
    from pipelines.training import training as flow

    write(table("2026-01-01"), tmp_path / "train.parquet")
    config = write_config(tmp_path / "plant.toml", settings())
    registered = flow(str(config), ["training.epochs=1"])
    assert (registered.reference, registered.aliases) == ("plant/1", ("challenger", "champion"))
    flow_run, _ = task_runs()
    assert flow_run.name == "plant, training, version 1 (challenger, champion)"
    assert flow_run.state.message.startswith("plant/1 scores from now on")
    uri = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert registry.find_version("plant", tracking_uri=uri).reference == "plant/1"


def test_scoring_flow_writes_the_same_files_as_the_functions(prefect, plant):
    """Tasks in threads and a loop in this process give the same bytes."""
    from pipelines.scoring import scoring as flow

    config = plant.written(partition="hour")
    summary = flow(str(config), ["scoring.output=flow"])
    assert summary.partitions == 72
    plant.score(partition="hour")
    assert contents(plant.folder / "flow") == contents(plant.output)


def test_strict_flow_fails_for_unfit_files_after_scoring_the_others(prefect, plant):
    """The flow run is FAILED; the day that fits has its scores."""
    from pipelines.scoring import scoring as flow

    write(table("2026-01-05").drop(columns="cpu"), plant.incoming / "2026-01-05.parquet")
    with pytest.raises(DataError, match='lacks the column "cpu"'):
        flow(str(plant.written(strict=True)))
    days = sorted(path.name for path in (plant.output / "scores").iterdir())
    assert days == ["date=2026-01-03", "date=2026-01-04"]


def test_scoring_flow_scores_the_others_when_data_are_corrupt(prefect, plant):
    """A file that turns out damaged when read defers its partitions, and is named."""
    from pipelines.scoring import scoring as flow

    path = plant.incoming / "2026-01-03.parquet"
    content = bytearray(path.read_bytes())
    content[1000:9000] = bytes(8000)
    path.write_bytes(content)
    summary = flow(str(plant.written()))
    assert summary.status == "partial"
    assert [file.split(":")[0] for file in summary.unreadable] == ["2026-01-03.parquet"]
    scored = [path.name for path in (plant.output / "scores").iterdir()]
    assert "date=2026-01-05" in scored
    assert "date=2026-01-03" not in scored


def artifacts_of(flow_run):
    """The artifacts of a flow run by type, and its log."""
    from prefect import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        LogFilter,
        LogFilterFlowRunId,
    )

    with get_client(sync_client=True) as client:
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        logged = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run.id]))
        found = {each.type: each for each in client.read_artifacts(artifact_filter=mine)}
        return found, [each.message for each in client.read_logs(logged)]


def test_scoring_flow_reports(prefect, plant, task_runs):
    """A run is named for what it did, and leaves a report and a table of events for people."""
    from pipelines.scoring import scoring as flow

    summary = flow(str(plant.written(stale_after="2h")))
    flow_run, tried = task_runs()
    (alert,) = summary.alerts.values()
    found, _ = artifacts_of(flow_run)
    number = len(json.loads(found["table"].data))
    assert number > 1
    title = f"plant {DAYS[0]} to {DAYS[2]}, {number} events, 1 alert"
    assert flow_run.name == title
    assert flow_run.state.message.startswith(f"{number} events new or changed; ")
    assert f"{DAYS[0]} to {DAYS[2]}" in tried, "task runs are named for their partitions"
    assert found["table"].key == "events-plant"
    assert {"time", "entity", "severity", "duration"} < json.loads(found["table"].data)[0].keys()
    assert found["markdown"].key == "scoring-plant"
    assert f"| rows scored | {summary.scored:,} of {summary.rows:,} |" in found["markdown"].data
    assert alert in found["markdown"].data
    (run,) = read_runs(plant.output, limit=9)
    assert (run["run_id"], run["alerts"]) == (str(flow_run.id), [alert])


def test_run_without_work_is_marked_and_reports_nothing(prefect, plant, task_runs):
    """Its artifacts would replace those of the last run that found something."""
    from pipelines.scoring import scoring as flow

    flow(str(plant.written()))
    flow(str(plant.written()))
    flow_run, _ = task_runs()
    assert (flow_run.name, flow_run.tags) == ("plant, nothing new", ["nothing-new"])
    assert flow_run.state.message == "nothing new, 3 partitions up to date"
    assert artifacts_of(flow_run)[0] == {}


def test_refused_run_fails_once_and_in_one_line(prefect, plant, task_runs):
    """An error raised by aedetect is not retried, and no traceback hides what it says."""
    from pipelines.scoring import scoring as flow

    for path in plant.incoming.iterdir():
        path.unlink()
    with pytest.raises(NoData, match="no Parquet file") as why:
        flow(str(plant.written()))
    flow_run, tried = task_runs()
    assert (flow_run.state_name, flow_run.name) == ("Failed", "plant, scoring failed")
    assert flow_run.state.message == str(why.value)
    assert tried["plan"] == 1
    (run,) = read_runs(plant.output, limit=9)
    assert run["status"] == "failed"


def test_unexpected_error_is_one_line_beside_its_traceback(prefect, plant, task_runs, monkeypatch):
    """The traceback is in the log, for whoever mends it."""
    from pipelines.scoring import scoring as flow

    def break_down(*_given, **_options):
        raise ValueError("half\na message")

    monkeypatch.setattr("aedetect.jobs.scoring_plan.find_files", break_down)
    monkeypatch.setattr(tasks.make_plan, "retries", 0)
    with pytest.raises(ValueError, match="half"):
        flow(str(plant.written()))
    flow_run, _ = task_runs()
    assert flow_run.state.message == (
        "ValueError: half a message (unexpected: the traceback is in the log)"
    )


def test_log_of_a_task_has_no_traceback_of_an_error_that_says_what_to_do(caplog):
    """Prefect logs one where a task is not retried."""
    logger = logging.getLogger("prefect.task_runs")
    for error in (NoData("no file:\nadd one"), KeyError("a")):
        record = logger.makeRecord(
            logger.name, logging.ERROR, "x", 1, "failed: %r", (error,), (type(error), error, None)
        )
        assert logger.filter(record)
        told = logging.Formatter().format(record)
        assert (told == "no file: add one") == isinstance(error, NoData)
        assert ("KeyError" in told) == isinstance(error, KeyError)


def test_parameters_of_flows_are_described(prefect):
    """The form of a run in Prefect says what each is."""
    from pipelines.scoring import scoring
    from pipelines.training import training

    for flow in (scoring, training):
        described = flow.parameters.properties
        assert all(each["description"].endswith(".") for each in described.values())
        assert not flow.description.count("Args")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ConnectionError("reset by peer"), True),
        (OSError("stale file handle"), True),
        (NoData("none"), False),
        (AedetectError("refused"), False),
        (DeliveryError("away"), True),
    ],
)
def test_errors_to_retry(error, again):
    """External errors are retried, errors raised by aedetect are not."""
    from prefect.client.schemas.objects import State, StateType

    state = State(type=StateType.FAILED, data=error)
    assert tasks.should_retry(None, None, state) == again


def test_stages_with_input_or_output_are_retried():
    """Files and the registry may be unavailable briefly; computations are deterministic."""
    retried = {
        task.name: task.retries
        for task in vars(tasks).values()
        if hasattr(task, "retries") and task.name != "Task"
    }
    assert retried == {
        "ingest": 2,
        "prepare": 0,
        "train": 0,
        "calibrate": 0,
        "register": 2,
        "resolve model": 2,
        "plan": 2,
        "sort by time": 2,
        "score partitions": 2,
        "score on the cluster": 2,
        "form events": 2,
        "finish": 2,
        "write page": 0,
        "notify": 0,
        "fill database": 2,
    }


def test_temporary_error_is_survived(prefect, plant):
    """The flow continues when the retry of a task succeeds."""
    from prefect import flow

    tried = []

    def resolve(config):
        tried.append(config)
        if len(tried) < 2:
            raise ConnectionError
        return scoring.resolve_model(config)

    patient = tasks.resolve_model.with_options(retry_delay_seconds=0)
    patient.fn = resolve

    @flow
    def waiting(config):
        return patient(config)

    model = waiting(plant.config())
    assert (model.version, len(tried)) == (1, 2)


def test_prefect_does_not_look_through_what_a_stage_is_given(prefect):
    """A plan of thousands of partitions would be searched several times; a stage gets it whole."""
    from prefect import flow

    class Plan(list):
        def __iter__(self):
            raise AssertionError("looked through")

    def count(plan, *, more):
        return len(plan) + len(more)

    counting = tasks.finish.with_options(name="count")
    counting.fn = count
    stage = tasks.given_whole(counting)

    @flow
    def counted():
        return stage(Plan([1, 2]), more=Plan([3]))

    assert counted() == 3


def test_tasks_are_the_functions():
    """Without Prefect the same functions run."""
    assert tasks.ingest.fn is dataset.ingest_rows
    assert tasks.finish.fn is scoring.finish_run
