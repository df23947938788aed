"""A registered detector, loaded with MLflow alone."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from aedetect.registry import register_version
from aedetect.registry.code_wheel import pinned_requirements
from aedetect.registry.pyfunc import pyfunc, signature
from aedetect.registry.records import TrainingRecord

COLUMNS = {"time": "timestamp", "unit": "text", "a": "number", "b": "number"}


@pytest.fixture(scope="module")
def frame():
    """Four hours of two units, one row per minute, in random order."""
    time = pd.date_range("2026-01-01", periods=240, freq="min").repeat(2)
    random = np.random.default_rng(1)
    numbers = {
        "a": random.integers(0, 9, 480).astype("float64"),
        "b": random.normal(size=480).astype("float32").astype("float64"),
    }
    ordered = pd.DataFrame({"time": time, "unit": ["east", "west"] * 240, **numbers})
    return ordered.sample(frac=1, random_state=1)


@pytest.fixture(scope="module")
def served(tmp_path_factory, detector_folder):
    """A real detector, registered and loaded by name."""
    import mlflow

    uri = f"sqlite:///{tmp_path_factory.mktemp('served')}/mlflow.db"
    record = TrainingRecord(
        name="real",
        variant="pca",
        parameters={},
        epochs=[],
        metrics={},
        data_source="train.parquet",
        data_fingerprint="f",
        data_columns=COLUMNS,
        config_hash="c",
        tags={},
    )
    register_version(detector_folder, record=record, tracking_uri=uri)
    mlflow.set_tracking_uri(uri)
    yield mlflow.pyfunc.load_model("models:/real@champion")
    mlflow.set_tracking_uri(None)


def test_served_detector_answers_each_row_in_its_place(served, frame):
    """`mlflow.pyfunc` returns the score columns, one row per input row."""
    scored = served.predict(frame)
    columns = ["timestamp", "entity", "score", "p_value", "verdict", "reason"]
    columns += ["threshold", "severity", "calibration_version", "causes"]
    assert list(scored.columns) == columns
    assert scored["timestamp"].tolist() == frame["time"].tolist()
    assert scored["entity"].tolist() == frame["unit"].tolist()
    assert scored["score"].notna().sum() > 0


def test_served_detector_has_a_signature(served):
    """Input and output columns can be read without loading the model."""
    assert served.metadata.signature.inputs.required_input_names() == list(COLUMNS)
    outputs = served.metadata.signature.outputs.input_names()
    assert (outputs[0], outputs[-1]) == ("timestamp", "causes")


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.astype({"a": "int64"}),
        lambda frame: frame.astype({"a": "Int64"}),
        lambda frame: frame.astype({"a": "uint8", "b": "float32"}),
        lambda frame: frame.astype({"a": "double[pyarrow]", "unit": "string[pyarrow]"}),
        lambda frame: frame.astype({"unit": "category"}),
        lambda frame: frame.astype({"unit": object, "a": object}),
        lambda frame: frame.astype({"time": "datetime64[us]"}),
        lambda frame: frame.assign(time=frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%S")),
        lambda frame: frame.assign(more=1)[["more", "b", "a", "unit", "time"]],
    ],
)
def test_served_detector_takes_columns_as_pandas_has_them(served, frame, change):
    """MLflow rejects int64 for a double, and categories; the detector accepts them."""
    same = served.predict(change(frame)).drop(columns="timestamp")
    pd.testing.assert_frame_equal(same, served.predict(frame).drop(columns="timestamp"))
    assert (same["severity"].notna() == (same["verdict"] == "anomaly")).all()
    assert (same["threshold"].notna() == same["score"].notna()).all()


def test_served_detector_takes_missing_integers(served, frame):
    """A nullable integer that is missing is a missing number (mlflow#25593)."""
    gaps = frame.assign(a=frame["a"].mask(frame.index % 50 == 0))
    nullable = gaps.assign(a=gaps["a"].astype("Int64"))
    pd.testing.assert_frame_equal(served.predict(nullable), served.predict(gaps))


def test_served_detector_takes_a_frame_without_rows(served, frame):
    """No rows in, no rows out."""
    assert len(served.predict(frame.iloc[:0])) == 0


def test_served_detector_names_a_missing_column(served, frame):
    """A frame without a needed column is refused by name."""
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"missing inputs \['b'\]"):
        served.predict(frame.drop(columns="b"))


def test_what_all_detectors_have_alike_is_what_mlflow_saves_for_each(tmp_path, detector_folder):
    """But for the time, where the files were before they were saved, and whose size is counted."""
    import mlflow
    from mlflow.models import Model

    example = pd.DataFrame({"time": ["2026-01-01T00:00:00"], "a": [1.0], "b": [None]})
    model = SimpleNamespace(model_id="m-1", source_run_id="run")
    kinds = {"time": "timestamp", "a": "number", "b": "number"}
    with pyfunc(detector_folder, columns=kinds, model=model, example=example) as saved:
        own = {path.relative_to(saved): path.read_bytes() for path in files_below(saved)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (tmp_path / "served.py").write_bytes(own[Path("served.py")])
        shutil.copytree(detector_folder, tmp_path / "detector")
        mlflow.pyfunc.save_model(
            tmp_path / "model",
            python_model=str(tmp_path / "served.py"),
            artifacts={"detector": str(tmp_path / "detector")},
            signature=signature(kinds),
            input_example=example,
            pip_requirements=pinned_requirements(),
            mlflow_model=Model(model_uuid="m-1", model_id="m-1", run_id="run"),
        )
    theirs = tmp_path / "model"
    found = {path.relative_to(theirs): path.read_bytes() for path in files_below(theirs)}
    strays = {Path("uv.lock"), Path("pyproject.toml"), Path(".python-version")}
    wheel = {path for path in own if path.suffix == ".whl"}
    assert own.keys() - wheel == found.keys() - strays
    described = []
    for content in (own, found):
        text = yaml.safe_load(content.pop(Path("MLmodel")))
        flavor = text["flavors"]["python_function"]
        del flavor["artifacts"]["detector"]["uri"], flavor["model_code_path"]
        del text["utc_time_created"], text["model_size_bytes"]
        described.append(text)
    assert described[0] == described[1]
    assert {path: own[path] for path in own.keys() - wheel} == {
        path: found[path] for path in found.keys() - strays
    }


def files_below(folder):
    """All files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]
