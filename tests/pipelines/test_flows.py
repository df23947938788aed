"""The flows, on a real Prefect server: order, and which errors are retried."""

from __future__ import annotations

import asyncio

import pytest
from plant import contents, settings, table, write, write_config

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
            return flow_run, {
                run.name.rpartition("-")[0] or run.name: run.run_count for run in runs
            }

    return lambda: asyncio.run(read())


def test_training_flow_registers(prefect, tmp_path):
    """The flow runs all stages and registers the detector."""
    from pipelines.training import training as flow

    write(table("2026-01-01"), tmp_path / "train.parquet")
    config = write_config(tmp_path / "plant.toml", settings())
    registered = flow(str(config), ["training.epochs=1"])
    assert (registered.reference, registered.aliases) == ("plant/1", ("challenger", "champion"))
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


def test_scoring_flow_reports(prefect, plant, task_runs):
    """Each run, also a failed one, writes a row and an artifact of the flow run."""
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from pipelines.scoring import scoring as flow

    async def page():
        async with get_client() as client:
            chosen = ArtifactFilter(key=ArtifactFilterKey(any_=["scoring-plant"]))
            return await client.read_artifacts(artifact_filter=chosen)

    summary = flow(str(plant.written(stale_after="2h")))
    flow_run, _ = task_runs()
    (alert,) = summary.alerts.values()
    (artifact,) = [each for each in asyncio.run(page()) if each.flow_run_id == flow_run.id]
    assert f"| rows | {summary.rows} |" in artifact.data
    assert alert in artifact.data
    for path in plant.incoming.iterdir():
        path.unlink()
    with pytest.raises(NoData):
        flow(str(plant.written()))
    newest, before = read_runs(plant.output, limit=9)
    assert (newest["status"], before["status"]) == ("failed", "done")
    assert (before["run_id"], before["alerts"]) == (str(flow_run.id), [alert])


def test_refused_run_fails_once(prefect, plant, task_runs):
    """An error raised by aedetect is not retried."""
    from pipelines.scoring import scoring as flow

    for path in plant.incoming.iterdir():
        path.unlink()
    with pytest.raises(NoData, match="no Parquet file"):
        flow(str(plant.written()))
    flow_run, tried = task_runs()
    assert flow_run.state_name == "Failed"
    assert tried["plan"] == 1


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


def test_tasks_are_the_functions():
    """Without Prefect the same functions run."""
    assert tasks.ingest.fn is dataset.ingest_rows
    assert tasks.finish.fn is scoring.finish_run
