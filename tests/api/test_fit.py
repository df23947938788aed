"""A detector from a data frame."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pytest
import torch

import aedetect
from aedetect.errors import ConfigError, SchemaMismatch, TooFewRows

TINY = {
    "model": {"variant": "undercomplete"},
    "window": {"length": 4},
    "training": {"epochs": 3, "batch_size": 64, "device": "cpu"},
    "calibration": {"false_alarm_rate": 0.02, "shapes": 0.0},
}
LINEAR = {**TINY, "model": {"variant": "linear"}}


@pytest.fixture(scope="module")
def frame(make_frame):
    """The rows in `train.parquet` of the fixture `learnt`."""
    return make_frame()


@pytest.fixture(scope="module")
def fitted(frame):
    """A detector of that frame."""
    return aedetect.fit(frame, timestamp="time", entity="unit", **TINY)


def same(first, second):
    """Whether two detectors have the same weights, thresholds and settings."""
    weights, others = (each.scorer.model.state_dict() for each in (first, second))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    codes = np.arange(len(first.scorer.preparation.entities))
    thresholds, more = (each.calibration.thresholds(codes) for each in (first, second))
    np.testing.assert_array_equal(thresholds, more)
    assert first.calibration.threshold == second.calibration.threshold
    assert first.config_hash == second.config_hash
    return True


def test_a_frame_gives_what_its_file_gives(fitted, learnt):
    """The same weights, thresholds and settings, to the bit."""
    assert same(fitted, learnt.detector)
    assert fitted.scorer.schema == learnt.detector.scorer.schema


def test_the_order_of_rows_does_not_matter(frame, fitted):
    """Nor does the index."""
    shuffled = frame.sample(frac=1, random_state=0)
    assert same(aedetect.fit(shuffled, timestamp="time", entity="unit", **TINY), fitted)


def test_timestamp_and_entity_may_stand_in_the_index(frame, fitted):
    """As levels with these names."""
    indexed = frame.set_index(["unit", "time"])
    assert same(aedetect.fit(indexed, timestamp="time", entity="unit", **TINY), fitted)
    scored = fitted.score(indexed)
    assert scored.index.equals(indexed.index)
    assert scored["score"].tolist() == pytest.approx(fitted.score(frame)["score"], nan_ok=True)


def test_a_seed_draws_other_weights(frame):
    """And is part of the inputs of a detector."""
    one, other = (
        aedetect.fit(
            frame,
            timestamp="time",
            entity="unit",
            seed=seed,
            **TINY | {"model": TINY.get("model", {}) | {"variant": "undercomplete"}},
        )
        for seed in (0, 1)
    )
    assert other.config_hash != one.config_hash
    weights = zip(other.scorer.model.parameters(), one.scorer.model.parameters(), strict=True)
    assert not all(torch.equal(*pair) for pair in weights)


def test_columns_are_chosen_by_the_section_data(frame):
    """As in a configuration file; a label is not a feature."""
    marked = frame.assign(fault=False, note="x")
    detector = aedetect.fit(
        marked,
        timestamp="time",
        entity="unit",
        data={"label": "fault", "exclude": ["b", "note"]},
        **LINEAR,
    )
    assert detector.features == ("a",)
    assert (detector.timestamp, detector.entity) == ("time", "unit")
    assert (detector.variant, detector.window) == ("linear", 4)
    shown = repr(detector)
    assert "timestamp='time', entity='unit' (2 known), 1 features, variant='linear'" in shown


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(unit=frame["unit"].astype("category")),
        lambda frame: frame.assign(time=frame["time"].astype("datetime64[ms]")),
        lambda frame: frame.assign(time=frame["time"].dt.tz_localize("Europe/Berlin")),
        lambda frame: frame.assign(a=frame["a"].astype("Float64")),
    ],
)
def test_columns_are_taken_as_pandas_has_them(frame, change):
    """Categories, units, zones and nullable numbers; what is trained on can be scored."""
    other = change(frame)
    detector = aedetect.fit(other, timestamp="time", entity="unit", **LINEAR)
    scored = detector.score(other)
    assert scored["score"].notna().sum() == len(frame) - 2 * 3
    assert set(scored["entity"]) == {"east", "west"}


def state():
    """The state of the process, and folders where files might be left."""
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.random.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002 - the one of the process
        "python": random.getstate(),
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109 - of the process
        "loggers": {name: logging.getLogger(name).level for name in ("", "aedetect", "mlflow")},
        "warnings": list(warnings.filters),
    }


def test_nothing_is_left_and_nothing_is_changed(frame, fitted, tmp_path, monkeypatch):
    """No files are left, and generators, threads, loggers and environment are unchanged."""
    fitted.score(frame)  # the first import of PyTorch's compiler and of SciPy changes them once
    monkeypatch.chdir(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    before = state()
    detector = aedetect.fit(frame, timestamp="time", entity="unit", **TINY)
    detector.score(frame)
    after = state()
    torch.set_num_threads(threads)
    assert after == before
    assert [path.name for path in tmp_path.rglob("*")] == ["temporary"]


def test_it_can_fail_and_leaves_nothing_either(frame, tmp_path, monkeypatch):
    """The temporary folder is removed on failure too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(TooFewRows):
        aedetect.fit(frame.head(10), timestamp="time", entity="unit", **TINY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.drop(columns="time"), SchemaMismatch, r"the columns time, got unit, a, b"),
        (lambda f: f.drop(columns="unit"), SchemaMismatch, r"the columns unit, got time, a, b"),
        (
            lambda f: f.set_index("time").rename_axis(None),
            SchemaMismatch,
            r"the index holds timestamps, name it: frame.rename_axis\('time'\)",
        ),
        (
            lambda f: f.set_axis(["time", "unit", "a", "a"], axis=1),
            SchemaMismatch,
            r"column names must be unique, got a more than once",
        ),
        (
            lambda f: f.set_axis(["time", "unit", 0, 1], axis=1),
            SchemaMismatch,
            r"column names must be text, got 0: rename them",
        ),
        (lambda f: f.iloc[:0], TooFewRows, r"must have rows to train on, got none"),
        (
            lambda f: f.assign(a=[1.0, "high"] * (len(f) // 2)),
            SchemaMismatch,
            r'column "a" must hold values of one type',
        ),
        (lambda f: f.assign(time=f["time"].astype(str)), SchemaMismatch, r'"time"'),
        (lambda f: f.to_dict(), TypeError, r"must be a pandas.DataFrame, got builtins.dict"),
    ],
)
def test_an_invalid_frame_is_refused_with_the_reason(frame, change, error, message):
    """Before anything is trained."""
    with pytest.raises(error, match=message):
        aedetect.fit(change(frame), timestamp="time", entity="unit", **TINY)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": {"lenght": 4}}, r'"lenght" is not a key of \[window\] \(did you mean "length"'),
        ({"model": {"variant": "magic"}}, r"\[model\] variant"),
        ({"training": 3}, r"\[training\] must be a section"),
    ],
)
def test_settings_are_checked_as_those_of_a_file(frame, settings, message):
    """With the same messages."""
    with pytest.raises(ConfigError, match=message):
        aedetect.fit(frame, timestamp="time", entity="unit", **settings)


NOTEBOOK = """
import numpy as np, pandas as pd
time = pd.date_range("2026-01-01", periods=2000, freq="min")
frame = pd.DataFrame({"time": time, "flow": np.sin(np.arange(2000) / 10)})
import aedetect
detector = aedetect.fit(frame, timestamp="time", model={"variant": "linear"})
scored = detector.score(frame)
assert len(scored) == 2000 and scored["score"].notna().any()
import sys
assert not {"mlflow", "prefect"} & set(sys.modules), "neither is needed"
"""


def test_what_is_to_be_known_of_the_data_is_kept(frame, capsys):
    """As sentences, in the detector, in a notebook and on standard error; log lines are not."""
    counted = frame.assign(number=np.arange(len(frame)))
    events = logging.getLogger("aedetect")
    before, events.propagate = events.propagate, False  # as without pytest's own handlers
    try:
        detector = aedetect.fit(counted, timestamp="time", entity="unit", **LINEAR)
    finally:
        events.propagate = before
    (note,) = (each for each in detector.notes if "number" in each)
    assert f"aedetect: {note}\n" in capsys.readouterr().err
    assert "note text=" not in capsys.readouterr().err
    assert repr(detector).endswith("note>") or repr(detector).endswith("notes>")
    assert note[:40].replace('"', "&#34;") in detector._repr_html_()


def test_a_notebook_fits_and_scores_in_three_lines(tmp_path):
    """In a new process and an empty folder, where no files are left."""
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
