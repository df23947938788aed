"""Names, sizes and the linear model; the checks of every variant are in tests/testing."""

from __future__ import annotations

import typing
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from aedetect.models import VARIANTS
from aedetect.models.dense import ACTIVATIONS
from aedetect.models.settings import ActivationName, ModelSettings, VariantName
from aedetect.models.sizing import derive_sizes
from aedetect.preprocessing import Windows
from aedetect.testing.cases import make_network_for, make_windows, mean_squared_error
from aedetect.training import train_network
from aedetect.training.settings import TrainingSettings

LENGTH = 4
SETTINGS = TrainingSettings(epochs=8, batch_size=32, learning_rate=1e-2, device="cpu")


def table(*, features, context, rows=300):
    """Windows of features that follow one wave, and of context columns that do not."""
    return make_windows(features=features, context=context, length=LENGTH, rows=rows)


def make(variant, windows, *, seed=0, **settings):
    """An untrained model that fits the windows."""
    return make_network_for(ModelSettings(variant=variant, **settings), windows, seed=seed)


def test_variants_are_those_of_the_configuration():
    """Every configurable name can be built."""
    assert tuple(VARIANTS) == typing.get_args(VariantName)
    assert set(ACTIVATIONS) == set(typing.get_args(ActivationName))


@pytest.mark.parametrize("hidden", [(), (16,), (16, 8)])
@pytest.mark.parametrize("activation", typing.get_args(ActivationName))
def test_depth_and_activation_are_chosen(hidden, activation):
    """Shallow or deep, with any activation, training lowers the loss."""
    windows = table(features=3, context=0, rows=100)
    model = make("undercomplete", windows, hidden=hidden, activation=activation, latent=3)
    assert len(model.encoder) >= 2 * len(hidden) + 1
    before = mean_squared_error(model, windows)
    fitted = train_network(model, windows, windows, settings=SETTINGS).model
    assert mean_squared_error(fitted, windows) < before


def test_linear_is_principal_component_analysis():
    """The same reconstruction as scikit-learn's of the same rank."""
    windows = table(features=5, context=2)
    model = train_network(
        make("linear", windows, latent=3), windows, windows, settings=SETTINGS
    ).model
    values = windows.take(slice(None))[0]
    cells = values[:, :, :5].reshape(len(windows), -1)
    pca = PCA(3).fit(cells)
    rebuilt = model(torch.from_numpy(values)).detach().numpy().reshape(len(windows), -1)
    np.testing.assert_allclose(
        rebuilt, pca.inverse_transform(pca.transform(cells)), rtol=0, atol=1e-4
    )


def test_linear_code_is_as_wide_as_the_window_at_most():
    """There are no more directions than cells."""
    windows = table(features=1, context=0)
    model = make("linear", windows, latent=50)
    fitted = train_network(model, windows, windows, settings=SETTINGS).model
    assert mean_squared_error(fitted, windows) < 1e-8


def test_undercomplete_beats_linear_on_a_circle():
    """On a curved manifold it is better than the principal subspace."""
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, 1500)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    matrix = (circle + random.normal(scale=0.03, size=circle.shape)).astype(np.float32)
    windows = Windows(matrix, np.ones((1500, 2), dtype=bool), np.arange(1500), 1)
    settings = TrainingSettings(epochs=60, batch_size=64, learning_rate=1e-2, device="cpu")
    bent, straight = (
        train_network(
            make(variant, windows, latent=1, **more), windows, windows, settings=settings
        ).model
        for variant, more in (("undercomplete", {"hidden": (32, 32)}), ("linear", {}))
    )
    assert mean_squared_error(bent, windows) < 0.3 * mean_squared_error(straight, windows)


def test_derived_sizes_leave_the_code_narrower_than_the_window():
    """For any number of features and rows, unless a single cell leaves no room."""
    for length, outputs in product((1, 2, 16, 60), (1, 2, 7, 100)):
        sizes = derive_sizes(ModelSettings(), length=length, inputs=outputs, outputs=outputs)
        assert 1 <= sizes.latent <= max(1, length * outputs - 1)


def test_an_unknown_name_is_no_part_of_models():
    """Only the variants are imported lazily."""
    from aedetect import models

    with pytest.raises(AttributeError, match="nothing"):
        _ = models.nothing
