"""What MLflow shows of a training, read through its own client."""

from __future__ import annotations

import json

import pytest

from aedetect.registry.run_tables import log_tables


@pytest.fixture(scope="module")
def client(trained):
    """An MLflow client of the registry of the plant."""
    from mlflow import MlflowClient

    return MlflowClient(trained.uri, registry_uri=trained.uri)


@pytest.fixture(scope="module")
def version(client):
    """The champion, as MLflow has it."""
    return client.get_model_version_by_alias("plant", "champion")


@pytest.fixture(scope="module")
def run(client, version):
    """Its run."""
    return client.get_run(version.run_id)


def test_the_run_is_named_after_the_version_and_spans_the_training(client, run, version):
    """It began before the model was made, and every epoch is a step of its losses."""
    assert run.info.run_name == "plant/1"
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert run.info.start_time < model.creation_timestamp < run.info.end_time
    for name in ("train_loss", "validation_loss"):
        assert [each.step for each in client.get_metric_history(run.info.run_id, name)] == [0, 1]


def test_the_card_is_the_description_of_version_and_run(run, version):
    """So that the pages of both say what it is."""
    assert version.description.startswith("# plant/1\n")
    assert run.data.tags["mlflow.note.content"] == version.description


def test_pictures_and_data_set_are_on_the_run(client, run):
    """Without a copy of the data."""
    paths = {each.path for each in client.list_artifacts(run.info.run_id, "plots")}
    assert paths == {"plots/calibration.png", "plots/score_distribution.png"}
    (used,) = run.inputs.dataset_inputs
    profile = json.loads(used.dataset.profile)
    assert (profile["rows"], profile["entities"], profile["period"]) == (5760, 2, "1min")
    assert {tag.value for tag in used.tags} == {"training"}


@pytest.fixture
def by_name(trained):
    """MLflow's fluent functions know the registry."""
    import mlflow

    mlflow.set_tracking_uri(trained.uri)
    yield mlflow
    mlflow.set_tracking_uri(None)


def test_tables_are_found_by_mlflow(client, run, by_name):
    """Those of a second log stand beside those of the first."""
    tables = {"one.json": {"a": [1, 2]}, "two.json": {"b": ["x"]}}
    for name, table in tables.items():
        log_tables(client, run.info.run_id, {name: table})
    for name, table in tables.items():
        found = client.load_table(run.info.experiment_id, name, run_ids=[run.info.run_id])
        assert found.to_dict(orient="list") == table


def test_the_input_example_comes_with_the_model(by_name):
    """As MLflow's own file, and the signature is still declared."""
    model = by_name.pyfunc.load_model("models:/plant@champion")
    scored = model.predict(model.input_example)
    assert scored["score"].notna().sum() == 5
    assert model.metadata.signature.outputs.input_names()[:2] == ["timestamp", "entity"]
