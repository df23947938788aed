"""Scoring a variational model by the negative ELBO, and options that exclude each other."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from aedetect.detector import CalibratedScorer
from aedetect.detector.description import DETECTOR
from aedetect.errors import BrokenDetector, ConfigError
from aedetect.models.elbo import draw_last
from aedetect.models.settings import ModelSettings
from aedetect.scoring import score_frame
from aedetect.training.fit import build_network

MODEL = {"variant": "variational", "latent": 2}


@pytest.fixture
def trained(make_frame, train_on):
    """A table with a category, and a detector that scores it by the ELBO."""
    frame = make_frame(rows=300)
    frame["mode"] = np.where(frame["a"] > 0, "fast", "eco")
    return frame, train_on(frame, model=MODEL, calibration={"score": "elbo"}).detector


def variational(**settings):
    """An untrained network for windows of four rows of two features."""
    chosen = ModelSettings(variant="variational", latent=3, **settings)
    return build_network(chosen, length=4, inputs=2, outputs=2, seed=0)


def test_the_bound_is_error_and_divergence():
    """Distance to the mean, variance and divergence make up the expected loss of the draws."""
    model = variational(n_samples=20_000, beta=0.5)
    windows = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    center, variance, divergence = draw_last(model, windows).detach().split([2, 2, 1], dim=1)
    mean, log_variance = model.encode_all(windows).detach().chunk(2, dim=1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    expected = 0.5 * kl_divergence(posterior, Normal(0.0, 1.0)).sum(1) / (4 * 2)
    torch.testing.assert_close(divergence[:, 0], expected)
    torch.manual_seed(1)
    drawn = model.decode(posterior.sample((20_000,)).flatten(0, 1)).detach()[:, -1]
    squared = (drawn.view(20_000, 3, 2) - windows[:, -1]).square().mean(0)
    torch.testing.assert_close(
        (windows[:, -1] - center).square() + variance, squared, rtol=0.05, atol=0.01
    )


def test_the_draws_are_always_the_same():
    """They depend neither on the global generator nor on the rest of the batch."""
    model = variational()
    windows = torch.randn(512, 4, 2, generator=torch.Generator().manual_seed(0))
    torch.set_num_threads(1)
    with torch.inference_mode():
        first = draw_last(model, windows)
        torch.manual_seed(1)
        assert torch.equal(draw_last(model, windows), first)
        assert torch.equal(draw_last(model, windows.roll(17, 0)).roll(-17, 0), first)


def test_the_bound_counts_what_the_error_does_not(trained):
    """The score is the mean error over the features and a divergence, which is never negative."""
    detector = trained[1]
    windows = np.random.default_rng(0).normal(size=(40, detector.scorer.preparation.width))
    matrix, ends = windows.astype(np.float32), np.arange(3, 40)
    observed, entity = np.ones((40, 4), dtype=bool), np.zeros(40, dtype=np.int32)
    evaluated = detector.scorer.evaluate(matrix, observed, entity, ends)
    assert evaluated.errors.shape == (37, 3)
    assert (evaluated.score > evaluated.errors.mean(axis=1)).all()
    none = detector.scorer.evaluate(matrix, observed, entity, ends[:0])
    assert none.score.shape == (0,)


def test_a_loaded_detector_scores_by_the_bound_alike(trained, tmp_path):
    """Scores are equal to the last bit, also when repeated."""
    frame, detector = trained
    detector.save(tmp_path / "saved")
    loaded = CalibratedScorer.load(tmp_path / "saved")
    assert loaded.scorer.model.settings == detector.scorer.model.settings
    first = score_frame(detector, frame)
    pd.testing.assert_frame_equal(score_frame(loaded, frame), first)
    pd.testing.assert_frame_equal(score_frame(detector, frame), first)
    assert first["score"].notna().sum() > 500


@pytest.mark.parametrize("backbone", ["dense", "convolutional"])
def test_all_options_of_the_model_are_saved(make_frame, train_on, tmp_path, backbone):
    """A loaded model has the same settings and the same scores to the last bit."""
    frame = make_frame(rows=300)
    options = {"backbone": backbone, "hidden": [5, 6], "activation": "tanh", "noise": "swap"}
    model = {"variant": "denoising", "noise_level": 0.4, **options}
    detector = train_on(frame, model=model).detector
    detector.save(tmp_path / "saved")
    loaded = CalibratedScorer.load(tmp_path / "saved")
    assert loaded.scorer.model.settings == detector.scorer.model.settings
    assert loaded.scorer.model.settings.noise_level == 0.4
    pd.testing.assert_frame_equal(score_frame(loaded, frame), score_frame(detector, frame))


def test_a_saved_bound_of_another_variant_is_refused(make_frame, train_on, tmp_path):
    """Other variants have no distribution to sample from."""
    train_on(make_frame(rows=300)).detector.save(tmp_path / "saved")
    described = json.loads((tmp_path / "saved" / DETECTOR).read_text())
    described["score"] = "elbo"
    (tmp_path / "saved" / DETECTOR).write_text(json.dumps(described))
    with pytest.raises(BrokenDetector, match="score of the variant does not fit"):
        CalibratedScorer.load(tmp_path / "saved")


def test_the_bound_needs_a_variational_model(configured, tmp_path):
    """The error is raised before anything is read or trained."""
    with pytest.raises(ConfigError, match=r'needs .model. variant = "variational", got "line'):
        configured(tmp_path, model={"variant": "linear"}, calibration={"score": "elbo"})


def test_convolutions_need_a_window(configured, tmp_path):
    """One row is too short; the error is raised before anything is read or trained."""
    with pytest.raises(ConfigError, match="length of at least 2 rows, got 1"):
        configured(tmp_path, model={"backbone": "convolutional"}, window={"length": 1})
