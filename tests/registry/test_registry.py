"""The registry, on a real MLflow with SQLite."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from aedetect.errors import RegistryError, UnknownModel
from aedetect.registry import (
    Registered,
    add_calibration,
    fetch_version,
    find_version,
    list_versions,
    log_nested,
    promote_version,
    register_version,
    sqlite_reader,
)
from aedetect.registry.publish import check_experiment
from aedetect.registry.records import RunRecord, TrainingRecord
from aedetect.registry.sqlite_reader import ask_sqlite

COLUMNS = {"time": "timestamp", "unit": "text", "a": "number", "b": "number"}
FILES = {
    "detector.json": b"{}",
    "weights.safetensors": bytes(1000),
    "calibration.parquet": b"PAR1",
}
PUMP = TrainingRecord(
    name="pump",
    variant="pca",
    parameters={f"model.option_{number}": number for number in range(120)} | {"data.label": None},
    epochs=[{"loss": 1 / (epoch + 1), "validation_loss": 2 / (epoch + 1)} for epoch in range(600)],
    metrics={"threshold": 3.5},
    data_source="data/train/*.parquet",
    data_fingerprint="f" * 64,
    data_columns=COLUMNS,
    config_hash="c0ffee",
    tags={"note": "first"},
)
FAN = replace(PUMP, name="fan", epochs=[], parameters={})


@dataclass(frozen=True)
class Registry:
    """A registry with two versions of "pump" and one of "fan"."""

    uri: str
    root: Path
    folder: Path  # of the detector that was registered
    first: Registered
    second: Registered
    fan: Registered


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One registry for all tests that only read it, or that undo their changes."""
    root = tmp_path_factory.mktemp("registry")
    folder = root / "detector that was saved"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    uri = f"sqlite:///{root}/mlruns/mlflow.db"
    records = {"first": PUMP, "second": replace(PUMP, variant="conv"), "fan": FAN}
    made = {
        key: register_version(folder, record=record, tracking_uri=uri)
        for key, record in records.items()
    }
    return Registry(uri=uri, root=root, folder=folder, **made)


@pytest.fixture
def client(shared):
    """An MLflow client, to inspect what was written."""
    from mlflow import MlflowClient

    return MlflowClient(shared.uri, registry_uri=shared.uri)


def test_everything_stays_below_the_database_folder(shared):
    """The database and the artifacts of each detector are in mlruns/, nothing elsewhere."""
    assert {path.name for path in shared.root.iterdir()} == {"mlruns", shared.folder.name}
    inside = {str(path.relative_to(shared.root)) for path in shared.root.glob("mlruns/*")}
    assert inside == {"mlruns/mlflow.db", "mlruns/artifacts"}
    assert {path.name for path in shared.root.glob("mlruns/artifacts/*")} == {"pump", "fan"}


def test_first_version_is_champion_and_later_ones_challenge(shared):
    """A first version scores at once; the next one waits to be promoted."""
    assert (shared.first.reference, shared.second.reference) == ("pump/1", "pump/2")
    assert shared.first.aliases == ("challenger", "champion")
    assert shared.second.aliases == ("challenger",)
    assert find_version("pump/1", tracking_uri=shared.uri).aliases == ("champion",)


def test_a_version_records_its_origin(shared):
    """Tags name variant, configuration and data; the creation time is in UTC."""
    assert shared.first.tags == {
        "variant": "pca",
        "config_hash": "c0ffee",
        "data_fingerprint": "f" * 64,
        "note": "first",
    }
    assert shared.first.created.tzinfo is UTC
    assert abs(datetime.now(tz=UTC) - shared.first.created) < timedelta(minutes=10)


@pytest.mark.parametrize(
    ("reference", "version"),
    [("pump", 1), ("pump@champion", 1), ("pump@challenger", 2), ("pump/2", 2), ("fan", 1)],
)
def test_find_understands_names_aliases_and_numbers(shared, reference, version):
    """A name alone refers to its champion."""
    found = find_version(reference, tracking_uri=shared.uri)
    assert (found.name, found.version) == (reference[:4].rstrip("@/"), version)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("pump/9", "pump/2 @challenger, pump/1 @champion;"),
        ("pump@best", "pump/2 @challenger, pump/1 @champion;"),
        ("pomp", "only: fan, pump;"),
        ("pump/two", "NAME, NAME@alias or NAME/3"),
        ("", "NAME, NAME@alias or NAME/3"),
    ],
)
def test_find_names_what_exists_instead(shared, reference, expected):
    """The error for a wrong reference lists valid references."""
    with pytest.raises(UnknownModel) as refused:
        find_version(reference, tracking_uri=shared.uri)
    assert expected in str(refused.value)


def test_versions_are_listed_newest_first_with_aliases(shared):
    """The list contains all detectors, or those of one name."""
    listed = list_versions(tracking_uri=shared.uri)
    assert [version.reference for version in listed] == ["fan/1", "pump/2", "pump/1"]
    assert [version.aliases for version in list_versions(tracking_uri=shared.uri, name="pump")] == [
        ("challenger",),
        ("champion",),
    ]
    assert list_versions(tracking_uri=shared.uri, name="pomp") == []


def test_foreign_models_are_not_listed(shared, client):
    """A registry may be shared with models that are no detectors."""
    client.create_registered_model("churn")
    client.create_model_version("churn", source=str(shared.folder))
    try:
        assert "churn" not in {version.name for version in list_versions(tracking_uri=shared.uri)}
        with pytest.raises(RegistryError, match="churn/1 must hold a detector, but"):
            fetch_version(find_version("churn/1", tracking_uri=shared.uri), tracking_uri=shared.uri)
    finally:
        client.delete_registered_model("churn")


def test_promotion_moves_the_champion(shared):
    """There is one champion, and going back is a promotion too."""
    promoted = promote_version(shared.second, tracking_uri=shared.uri)
    assert promoted.aliases == ("challenger", "champion")
    assert find_version("pump", tracking_uri=shared.uri).version == 2
    promote_version(shared.first, tracking_uri=shared.uri)
    assert find_version("pump", tracking_uri=shared.uri).version == 1


def test_fetch_returns_the_files_that_were_registered(shared):
    """What was saved comes back byte for byte, and local artifacts are not copied."""
    folder = fetch_version(shared.second, tracking_uri=shared.uri)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert folder.is_relative_to(shared.root / "mlruns" / "artifacts" / "pump")


def test_fetch_reports_missing_artifacts(shared):
    """The error names the version and the location of its deleted files."""
    folder = fetch_version(shared.fan, tracking_uri=shared.uri)
    folder.rename(folder.with_name("elsewhere"))
    try:
        with pytest.raises(RegistryError, match=r"fan/1 must hold .*artifacts/fan.* restore"):
            fetch_version(shared.fan, tracking_uri=shared.uri)
    finally:
        folder.with_name("elsewhere").rename(folder)


def test_no_file_of_a_model_is_a_pickle(shared):
    """A model is its detector, code and plain text: loading it unpickles nothing."""
    model = fetch_version(shared.first, tracking_uri=shared.uri).parents[1]
    assert {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()} == {
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "served.py",
        f"code/aedetect-{version('aedetect')}-py3-none-any.whl",
        *(f"artifacts/detector/{name}" for name in FILES),
    }
    requirements = (model / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in requirements)


def test_run_keeps_parameters_metrics_and_data(shared, client):
    """Also more parameters and epochs than MLflow accepts in one request."""
    run = client.get_run(shared.first.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "pump/1")
    assert run.data.params == {key: str(value) for key, value in PUMP.parameters.items()}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [
        (step, epoch["loss"]) for step, epoch in enumerate(PUMP.epochs)
    ]
    assert run.data.metrics["threshold"] == 3.5
    data = run.inputs.dataset_inputs[0].dataset
    assert (data.name, data.digest) == ("pump", "f" * 36)
    assert "data/train/*.parquet" in data.source
    assert all(name in data.schema for name in COLUMNS)


def test_a_failed_registration_leaves_no_version(shared, client):
    """If the detector cannot be stored, the run fails and there is no new challenger."""
    with pytest.raises(RegistryError, match="no such folder"):
        register_version(shared.root / "no such folder", record=PUMP, tracking_uri=shared.uri)
    assert find_version("pump@challenger", tracking_uri=shared.uri) == shared.second
    number = client.get_experiment_by_name("pump").experiment_id
    newest = client.search_runs([number], order_by=["attributes.start_time DESC"])[0]
    assert newest.info.status == "FAILED"


def test_the_state_of_the_process_does_not_change(shared, client, capfd):
    """A worker thread may register without output; MLflow's process-wide state is restored."""
    import mlflow

    mlflow.set_tracking_uri("http://127.0.0.1:9")
    level = logging.getLogger("mlflow").level
    record = replace(PUMP, name="valve")
    try:
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(
                register_version, shared.folder, record=record, tracking_uri=shared.uri
            )
            found = pool.submit(find_version, "valve", tracking_uri=shared.uri)
        assert found.result() == made.result()
        assert mlflow.get_tracking_uri() == "http://127.0.0.1:9"
        assert mlflow.active_run() is None
        assert logging.getLogger("mlflow").level == level
        assert "INFO" not in capfd.readouterr().err
    finally:
        mlflow.set_tracking_uri(None)
        client.delete_registered_model("valve")


TRIED = RunRecord(name="tried", parameters={"a": 1}, metrics={"loss": 1.0}, tags={})


def test_a_comparison_of_nothing_is_a_run_without_children(shared, client):
    """The parent is logged alone."""
    run_id = log_nested(TRIED, [], name="pump", tracking_uri=shared.uri)
    assert client.get_run(run_id).info.status == "FINISHED"


def test_children_of_a_nested_run_that_fails_have_failed(shared, client):
    """No run remains RUNNING."""
    broken = replace(TRIED, name="broken", parameters={"a key that MLflow refuses: \u2603": 1})
    with pytest.raises(RegistryError, match="registry"):
        log_nested(
            TRIED, [replace(TRIED, name="good"), broken], name="nest", tracking_uri=shared.uri
        )
    number = client.get_experiment_by_name("nest").experiment_id
    status = {run.info.run_name: run.info.status for run in client.search_runs([number])}
    assert status == {"tried": "FAILED", "good": "FINISHED", "broken": "FAILED"}


@pytest.fixture
def moved(tmp_path):
    """A registry whose folder was moved after a version was registered."""
    detector = tmp_path / "detector"
    detector.mkdir()
    for name, content in FILES.items():
        (detector / name).write_bytes(content)
    old, new = tmp_path / "old", tmp_path / "new"
    register_version(detector, record=FAN, tracking_uri=f"sqlite:///{old}/mlruns/mlflow.db")
    old.rename(new)
    return detector, old, f"sqlite:///{new}/mlruns/mlflow.db"


def test_a_moved_project_goes_on(moved, tmp_path):
    """Its versions are found beside the database, and new ones go there, not to the old place."""
    detector, old, uri = moved
    first = find_version("fan", tracking_uri=uri)
    place = fetch_version(first, tracking_uri=uri)
    assert (place / "detector.json").read_bytes() == b"{}"
    assert place.is_relative_to(tmp_path / "new")
    second = register_version(detector, record=FAN, tracking_uri=uri)
    assert (second.reference, second.aliases) == ("fan/2", ("challenger",))
    third = register_version(detector, record=FAN, tracking_uri=uri)
    for each in (second, third, first):
        found = fetch_version(each, tracking_uri=uri)
        assert found.is_relative_to(tmp_path / "new")
        assert (found / "detector.json").is_file()
    assert not old.exists()


def test_a_calibration_of_a_moved_version_goes_to_its_files(moved, tmp_path):
    """Where the weights are now, and the old place is not made anew."""
    _, old, uri = moved
    calibration = tmp_path / "calibration"
    calibration.mkdir()
    (calibration / "calibration.json").write_text("{}")
    first = find_version("fan", tracking_uri=uri)
    add_calibration(first, calibration, version=2, tracking_uri=uri, tags={})
    place = fetch_version(first, tracking_uri=uri)
    assert (place / "calibrations/2/calibration.json").read_text() == "{}"
    assert not old.exists()


def test_a_copied_project_writes_to_its_own_files(moved, tmp_path):
    """The original is there, and stays as it is."""
    detector, old, uri = moved
    shutil.copytree(tmp_path / "new", old)
    before = sorted(old.rglob("*"))
    second = register_version(detector, record=FAN, tracking_uri=uri)
    assert fetch_version(second, tracking_uri=uri).is_relative_to(tmp_path / "new")
    first = find_version("fan/1", tracking_uri=uri)
    assert fetch_version(first, tracking_uri=uri).is_relative_to(tmp_path / "new")
    assert sorted(old.rglob("*")) == before


def test_deleted_artifacts_are_told_with_a_remedy_that_works(moved):
    """A new version alone would be a challenger, and the champion that has no files would score."""
    detector, _, uri = moved
    first = find_version("fan", tracking_uri=uri)
    shutil.rmtree(fetch_version(first, tracking_uri=uri))
    with pytest.raises(RegistryError, match=r"`aedetect train CONFIG` and then `aedetect promote"):
        fetch_version(first, tracking_uri=uri)
    second = register_version(detector, record=FAN, tracking_uri=uri)
    promote_version(second, tracking_uri=uri)
    champion = find_version("fan", tracking_uri=uri)
    assert (fetch_version(champion, tracking_uri=uri) / "detector.json").is_file()


def test_a_deleted_experiment_is_found_before_the_training(moved):
    """With the command that restores it, as it is typed."""
    from mlflow import MlflowClient

    detector, _, uri = moved
    register_version(detector, record=FAN, tracking_uri=uri)
    check_experiment(name="fan", tracking_uri=uri)
    check_experiment(name="never trained", tracking_uri=uri)
    client = MlflowClient(uri)
    number = client.get_experiment_by_name("fan").experiment_id
    client.delete_experiment(number)
    with pytest.raises(RegistryError, match="was deleted in MLflow") as refused:
        check_experiment(name="fan", tracking_uri=uri)
    with pytest.raises(RegistryError, match="was deleted in MLflow"):
        register_version(detector, record=FAN, tracking_uri=uri)
    command = str(refused.value).split("`")[1]
    place, _, rest = command.partition(" ")
    assert place == f"MLFLOW_TRACKING_URI={uri}"
    assert rest == f"mlflow experiments restore --experiment-id {number}"
    client.restore_experiment(number)
    assert register_version(detector, record=FAN, tracking_uri=uri).reference == "fan/3"


def test_versions_are_read_without_mlflow_as_mlflow_reads_them(shared, monkeypatch):
    """A SQLite registry of the installed MLflow is known, and both ways give the same."""
    asked = {"name": "pump", "tracking_uri": shared.uri}
    tags = ask_sqlite(shared.uri, lambda reader: reader.model_tags("pump"))
    assert tags is not None, "MLflow's schema has changed: see sqlite_reader.KNOWN_SCHEMAS"
    assert (
        ask_sqlite(shared.uri, lambda reader: reader.find("pump", version=None, alias="nobody"))
        is None
    )
    read = list_versions(**asked), find_version("pump", tracking_uri=shared.uri)
    places = [fetch_version(each, tracking_uri=shared.uri) for each in read[0]]
    monkeypatch.setattr(sqlite_reader, "KNOWN_SCHEMAS", frozenset())
    assert ask_sqlite(shared.uri, lambda reader: reader.versions("pump")) is None
    assert (list_versions(**asked), find_version("pump", tracking_uri=shared.uri)) == read
    assert [fetch_version(each, tracking_uri=shared.uri) for each in read[0]] == places


def test_a_table_that_is_not_as_known_is_left_to_mlflow(tmp_path):
    """Though the revision of the schema is."""
    file = tmp_path / "mlflow.db"
    (revision,) = sqlite_reader.KNOWN_SCHEMAS
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    uri = f"sqlite:///{file}"
    assert ask_sqlite(uri, lambda _reader: "asked") == "asked"
    assert ask_sqlite(uri, lambda reader: reader.versions("pump")) is None
