"""The saved detector."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from aedetect.detector import CalibratedScorer
from aedetect.detector.description import CALIBRATION, DETECTOR
from aedetect.detector.score_functions import PARTS
from aedetect.detector.serialization import WEIGHTS
from aedetect.errors import BrokenDetector
from aedetect.models import VARIANTS
from aedetect.scoring import score_frame


@pytest.fixture
def folder(detector_folder, tmp_path):
    """A copy of a saved detector, to be damaged."""
    return shutil.copytree(detector_folder, tmp_path / "saved")


def test_a_detector_is_four_files(detector_folder):
    """None of them runs code when read."""
    assert {path.name for path in detector_folder.iterdir()} == {
        DETECTOR,
        WEIGHTS,
        CALIBRATION,
        "drift.safetensors",
    }
    json.loads((detector_folder / DETECTOR).read_text())


def test_saving_twice_gives_the_same_bytes(detector, detector_folder, tmp_path):
    """They contain no clock time and no random name."""
    detector.save(tmp_path / "again")
    for path in detector_folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("scaler", ["standard", "quantile"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_loaded_scores_as_what_was_saved(make_frame, train_on, tmp_path, variant, scaler):
    """Bit by bit, for every variant, with categories and context."""
    frame = make_frame(rows=400)
    frame["mode"] = np.where(frame["a"] > 0, "fast", "eco")
    detector = train_on(
        frame,
        data={"context": ["hour", "weekday"]},
        model={"variant": variant},
        prepare={"scaler": scaler},
        calibration={"score": "standardized"},
    ).detector
    detector.save(tmp_path / "saved")
    loaded = CalibratedScorer.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(score_frame(loaded, frame), score_frame(detector, frame))
    assert loaded.calibration.threshold == detector.calibration.threshold
    assert loaded.scorer.schema == detector.scorer.schema
    assert loaded.config_hash == detector.config_hash


@pytest.mark.parametrize("score", PARTS)
def test_a_loaded_score_is_the_saved_one(make_frame, train_on, tmp_path, score):
    """Bit by bit, for every score, alignment and smoothing."""
    frame = make_frame(rows=400)
    frame["mode"] = np.where(frame["a"] > 0, "fast", "eco")
    smooth = 1 if score == "ensemble" else 3
    options = {"score": score, "top_k": 2, "alignment": "centered", "smooth": smooth}
    detector = train_on(frame, calibration=options, prepare={"min_observed": 0.9}).detector
    detector.save(tmp_path / "saved")
    loaded = CalibratedScorer.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(score_frame(loaded, frame), score_frame(detector, frame))
    assert {name: getattr(loaded.scorer, name) for name in options} == options
    assert loaded.scorer.preparation.min_observed == 3


@pytest.mark.parametrize("name", [DETECTOR, WEIGHTS, CALIBRATION])
def test_an_absent_file_is_refused(folder, name):
    """The message names the folder and the remedy."""
    (folder / name).unlink()
    with pytest.raises(BrokenDetector, match=r"saved cannot be read.*train and register it again"):
        CalibratedScorer.load(folder)


@pytest.mark.parametrize("name", [DETECTOR, WEIGHTS, CALIBRATION])
@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_file_is_refused(folder, name, keep):
    """At any position."""
    content = (folder / name).read_bytes()
    cut = content[:keep] if name != DETECTOR else content[: keep - 1 if keep < 0 else keep]
    (folder / name).write_bytes(cut)
    with pytest.raises(BrokenDetector, match="cannot be read"):
        CalibratedScorer.load(folder)


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"format": 99}'])
def test_a_description_of_another_format_is_refused(folder, text):
    """For any JSON."""
    (folder / DETECTOR).write_text(text)
    with pytest.raises(BrokenDetector, match="must be of format 9"):
        CalibratedScorer.load(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model", "variant"), "convolutional"),
        (("model", "activation"), "swish"),
        (("model", "sizes", "latent"), 99),
        (("model", "sizes", "length"), "four"),
        (("schema", "features"), [{"name": "a", "kind": "number", "categories": []}]),
        (("schema", "max_gap"), None),
        (("calibration", "pooled", "threshold"), {"value": 1.0}),
        (("calibration", "pooled", "tail", "shape"), "heavy"),
        (("calibration", "unseen"), "guess"),
        (("calibration", "limits"), [[1.0]]),
        (("preparation", "missing"), "guess"),
        (("preparation", "scaling", "center"), [[0.0]]),
        (("score",), "likelihood"),
        (("residuals", "size"), [[1.0]]),
        (("residuals", "whitening"), [[1.0]]),
        (("residuals", "tail"), [[[1.0]]]),
        (("alignment",), "late"),
        (("top_k",), 0),
        (("smooth",), 0.5),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder, path, value):
    """Invalid values, and values that contradict others."""
    described = json.loads((folder / DETECTOR).read_text())
    place = described
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / DETECTOR).write_text(json.dumps(described))
    with pytest.raises(BrokenDetector, match="cannot be read"):
        CalibratedScorer.load(folder)
