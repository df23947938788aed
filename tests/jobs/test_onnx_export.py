"""The ONNX file of a registered version, run by onnxruntime."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from aedetect import registry
from aedetect.cli import app
from aedetect.detector import CalibratedScorer
from aedetect.errors import ConfigError, OutputError
from aedetect.jobs import onnx_export
from aedetect.scoring import score_frame

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def champion(trained):
    """The champion of the plant, whose score is the default one."""
    version = registry.find_version("plant", tracking_uri=trained.uri)
    return CalibratedScorer.load(registry.fetch_version(version, tracking_uri=trained.uri))


def test_the_file_gives_the_scores_of_the_version(plant, champion):
    """Within 1e-5, for any number of rows, with versions and thresholds as metadata."""
    path = plant.folder / "made" / "plant.onnx"
    done = CliRunner().invoke(
        app, ["export", str(plant.written()), "--onnx", str(path), "--json"], catch_exceptions=False
    )
    told = json.loads(done.stdout)
    assert (told["model"], told["calibration_version"]) == ("plant/1", 1)
    assert told["difference"] < 1e-5
    session = onnxruntime.InferenceSession(path)
    frame = pd.read_parquet(plant.incoming / "2026-01-03.parquet")
    west = frame[frame["unit"] == "west"]
    rows = west[["cpu", "load", "disk"]].to_numpy(dtype=np.float64)
    time = west["time"].astype("datetime64[ns]").astype("int64").to_numpy()
    expected = score_frame(champion, west)["score"].to_numpy()
    for count in (len(rows), 50, 1):
        given = {"rows": rows[:count], "time": time[:count], "entity": np.array(1)}
        score, threshold = session.run(None, given)
        np.testing.assert_allclose(score, expected[:count], rtol=1e-5, atol=1e-5)
        assert threshold == champion.calibration.thresholds(np.array([1]))[0]
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["aedetect.model"] == "plant/1"
    assert json.loads(facts["aedetect.calibration_version"]) == 1
    assert json.loads(facts["aedetect.threshold"]) == champion.calibration.threshold.value
    assert json.loads(facts["aedetect.entities"]) == ["east", "west"]
    assert set(json.loads(facts["aedetect.thresholds"])) == {"east", "west"}
    assert [each["name"] for each in json.loads(facts["aedetect.features"])] == [
        "cpu",
        "load",
        "disk",
    ]


def test_what_the_graph_cannot_hold_is_refused(champion):
    """With the setting and the remedy."""
    changed = replace(champion, scorer=replace(champion.scorer, score="tail"))
    with pytest.raises(ConfigError, match=r'plant/1 cannot hold .*score = "tail": set one of'):
        onnx_export.build_onnx(changed, "plant/1", {})


def test_a_missing_package_is_named_with_the_extra(plant, monkeypatch, tmp_path):
    """Before anything is loaded."""
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None if "script" in name else 1)
    with pytest.raises(ConfigError, match=r"needs onnxscript, .*pip install 'aedetect\[onnx\]'"):
        onnx_export.export_onnx(plant.config(), tmp_path / "x.onnx")


def test_a_file_that_cannot_be_written_is_named(plant, monkeypatch, tmp_path):
    """With the option that names it."""
    monkeypatch.setattr(onnx_export, "build_onnx", lambda *_: b"")
    monkeypatch.setattr(onnx_export, "compare_onnx", lambda *_: (1, 0.0))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="name another file after --onnx"):
        onnx_export.export_onnx(plant.config(), tmp_path / "file" / "x.onnx")
