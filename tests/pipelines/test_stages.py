"""The flow and the plain job run the same stages in the same order."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import wraps

import pytest
from plant import contents, settings, table, write, write_config

from aedetect.config import make_config
from aedetect.detector.serialization import WEIGHTS
from aedetect.jobs import scoring, training
from aedetect.registry import fetch_version
from pipelines import tasks

BEGUN = ["check_delivery", "resolve_model", "plan", "sort"]
SCORING = [*BEGUN, "compute", "form_events", "finish", "draw_lines", "report"]
DELIVERED = ["notify", "fill_database"]
TRAINING = ["ingest", "prepare", "train", "calibrate", "register"]


def recorded(stages, called):
    """Return the stages, each of which records its name when called."""

    def noting(name, stage):
        @wraps(getattr(stage, "fn", stage))
        def noted(*args, **kwargs):
            called.append(name)
            return stage(*args, **kwargs)

        return noted

    names = [each.name for each in fields(stages)]
    return replace(stages, **{name: noting(name, getattr(stages, name)) for name in names})


@pytest.fixture
def flow_calls(monkeypatch):
    """Record the stages that the flows call."""
    called: list[str] = []
    for name in ("SCORING", "TRAINING"):
        monkeypatch.setattr(tasks, name, recorded(getattr(tasks, name), called))
    return called


def delivering(plant, output):
    """Return a configuration file with a database and a receiver."""
    given = plant.given(output=output)
    given["database"] = {"url": f"sqlite:///{output}.db"}
    given["notify"] = {"urls": ["json://127.0.0.1:9/"]}
    return write_config(plant.folder / f"{output}.toml", given), given


def test_scoring_flow_and_job_run_the_same_stages(prefect, plant, flow_calls):
    """In the order of the job; their output is the same to the last byte."""
    from pipelines.scoring import scoring as flow

    path, _ = delivering(plant, "flow")
    flow(str(path))
    plain: list[str] = []
    _, given = delivering(plant, "plain")
    config = make_config(given, folder=plant.folder)
    scoring.run_scoring(config, stages=recorded(scoring.PLAIN, plain))
    assert plain == SCORING + DELIVERED
    # The flow replaces the recorded report with its own.
    assert flow_calls == [name for name in plain if name != "report"]
    of_rows = ("scores", "flagged", "events")
    made = [contents(plant.folder / name) for name in ("flow", "plain")]
    first, second = [
        {name: data for name, data in each.items() if name.split("/")[0] in of_rows}
        for each in made
    ]
    assert first == second
    assert first


def test_what_if_notifies_no_one(plant):
    """It fills no database and draws nothing either, and a strict run raises its error."""
    _, given = delivering(plant, "asked")
    called: list[str] = []
    stages = recorded(scoring.PLAIN, called)
    scoring.run_scoring(make_config(given, folder=plant.folder), what_if=True, stages=stages)
    assert called == [name for name in SCORING[1:] if name != "draw_lines"]


def test_units_are_computed_by_the_stage_that_is_given(plant):
    """Here a stage that computes the units in reverse order."""

    def backwards(units, *, model, output, settings):
        return scoring.compute_units(units[::-1], model=model, output=output)

    plant.score(output="usual")
    config = plant.config(output="backwards")
    scoring.run_scoring(config, stages=replace(scoring.PLAIN, compute=backwards))
    assert contents(plant.folder / "backwards") == contents(plant.folder / "usual")


def test_training_flow_and_job_run_the_same_stages(prefect, tmp_path, flow_calls):
    """In the order of the job, with the same weights."""
    from pipelines.training import training as flow

    write(table("2026-01-01"), tmp_path / "train.parquet")
    given = settings(training={"epochs": 1})
    path = write_config(tmp_path / "plant.toml", given)
    registered = flow(str(path))
    config = make_config(given, folder=tmp_path)
    plain: list[str] = []
    _, again = training.run_training(config, stages=recorded(training.PLAIN, plain))
    assert flow_calls == plain == TRAINING
    weights = [
        (fetch_version(each, tracking_uri=config.tracking_uri) / WEIGHTS).read_bytes()
        for each in (registered, again)
    ]
    assert weights[0] == weights[1]
