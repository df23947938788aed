"""Every variant passes the checks that hold for every model."""

from __future__ import annotations

import typing
from copy import deepcopy
from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from sklearn.decomposition import PCA

from aedetect.models import VARIANTS
from aedetect.models.dense import ACTIVATIONS
from aedetect.models.settings import ActivationName, ModelSettings, VariantName
from aedetect.models.sizing import derive_sizes
from aedetect.preprocessing import Windows
from aedetect.training import train_network
from aedetect.training.fit import build_network
from aedetect.training.settings import TrainingSettings

LENGTH = 4
SETTINGS = TrainingSettings(epochs=8, batch_size=32, learning_rate=1e-2, device="cpu")


def table(*, features, context, rows=300, seed=0):
    """Windows of features that follow one wave, and of context columns that do not."""
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(rows) / 9)[:, None] * np.linspace(1, 2, features)
    matrix = np.hstack([wave, np.zeros((rows, context))])
    matrix = (matrix + random.normal(scale=0.1, size=matrix.shape)).astype(np.float32)
    observed = random.random((rows, features)) > 0.1
    return Windows(matrix, observed, np.arange(LENGTH - 1, rows), LENGTH)


def make(variant, windows, *, seed=0, **settings):
    """An untrained model that fits the windows."""
    return build_network(
        ModelSettings(variant=variant, **settings),
        length=windows.length,
        inputs=windows.matrix.shape[1],
        outputs=windows.observed.shape[1],
        seed=seed,
    )


@pytest.fixture(params=product(VARIANTS, (1, 5), (0, 2)), ids=lambda case: "-".join(map(str, case)))
def case(request):
    """A variant, some features and some context columns: an untrained model and windows for it."""
    variant, features, context = request.param
    windows = table(features=features, context=context)
    return variant, make(variant, windows), windows


def error(model, windows):
    """Mean squared error over the observed cells, by hand."""
    values, observed = windows.take(slice(None))
    with torch.inference_mode():
        rebuilt = model(torch.from_numpy(values)).numpy()
    squared = np.square(rebuilt - values[:, :, : rebuilt.shape[2]], dtype=np.float64)
    return squared[observed].mean()


def check_rebuilds_the_features(variant, model, windows):
    """Windows of features and context are reconstructed as windows of the features, in float32."""
    values = torch.from_numpy(windows.take(slice(None))[0])
    rebuilt = model(values)
    assert rebuilt.shape == (len(windows), LENGTH, windows.observed.shape[1])
    assert rebuilt.dtype == torch.float32
    assert torch.isfinite(rebuilt).all()


def check_code_is_narrower_than_the_window(variant, model, windows):
    """Otherwise it could copy; sparse variants are exempt."""
    code = model.encode(torch.from_numpy(windows.take(slice(3))[0]))
    assert code.shape == (3, model.sizes.latent)
    assert VARIANTS[variant].wide or model.sizes.latent < LENGTH * model.sizes.outputs


def check_decodes_the_last_step_alone(variant, model, windows):
    """`decode_last` is the last step of `forward`."""
    values = torch.from_numpy(windows.take(slice(None))[0])
    torch.testing.assert_close(model.decode_last(model.encode(values)), model(values)[:, -1])


def check_does_not_mix_a_batch(variant, model, windows):
    """A window's reconstruction does not depend on its neighbours in the batch."""
    values = torch.from_numpy(windows.take(slice(64))[0])
    others = torch.cat([values[:1], values[1:] * 100])
    torch.testing.assert_close(model(values)[:1], model(others)[:1], rtol=0, atol=0)


def check_does_not_depend_on_the_place_in_a_batch(variant, model, windows):
    """Nor on its position among them."""
    values = torch.from_numpy(windows.take(slice(64))[0])
    turned = model(values.roll(17, 0)).roll(-17, 0)
    torch.testing.assert_close(model(values), turned, rtol=0, atol=0)


def check_leaves_its_input_alone(variant, model, windows):
    """The input is not modified."""
    values = torch.from_numpy(windows.take(slice(8))[0])
    before = values.clone()
    model(values)
    torch.testing.assert_close(values, before, rtol=0, atol=0)


def check_weights_follow_the_seed_alone(variant, model, windows):
    """The same seed gives the same weights, and leaves the global generator as it was."""
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    again = make(variant, windows).state_dict()
    torch.random.set_rng_state(state)
    for name, weights in model.state_dict().items():
        torch.testing.assert_close(again[name], weights, rtol=0, atol=0)


def check_survives_saving(variant, model, windows):
    """The weights alone, without pickle, bring back the same reconstruction."""
    train_network(model, windows, windows, settings=SETTINGS)
    twin = make(variant, windows, seed=7)
    twin.load_state_dict(load(save(model.state_dict())))
    values = torch.from_numpy(windows.take(slice(None))[0])
    torch.testing.assert_close(twin.eval()(values), model(values), rtol=0, atol=0)


def check_training_lowers_the_loss(variant, model, windows):
    """On the training windows."""
    before = error(model, windows)
    assert (
        error(train_network(model, windows, windows, settings=SETTINGS).model, windows)
        < 0.7 * before
    )


def check_training_repeats_itself(variant, model, windows):
    """Same data, settings and seed: the same weights."""
    twin = deepcopy(model)
    first, second = (
        train_network(each, windows, windows, settings=SETTINGS).model.state_dict()
        for each in (model, twin)
    )
    for name, weights in first.items():
        torch.testing.assert_close(second[name], weights, rtol=0, atol=0)


def check_gradient_reaches_every_parameter(variant, model, windows):
    """A parameter without gradient is never trained; a closed form needs none."""
    model(torch.from_numpy(windows.take(slice(None))[0])).square().sum().backward()
    if not model.closed_form:
        for name, weights in model.named_parameters():
            assert weights.grad is not None, name
            assert weights.grad.abs().sum() > 0, name


def check_masked_cells_do_not_leak_into_the_loss(variant, model, windows):
    """The loss is that of the observed cells, whatever the others hold."""
    features = windows.matrix[:, : windows.observed.shape[1]]
    features[~windows.observed] = 5
    once = TrainingSettings(epochs=1, device="cpu")
    fitted = train_network(model, windows, windows, settings=once)
    assert fitted.epochs[0].validation == pytest.approx(error(fitted.model, windows), rel=1e-4)


CHECKS = [value for name, value in globals().items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_every_variant(check, case):
    """Every check holds for each, with one or several features, with or without context."""
    check(*case)


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
    before = error(model, windows)
    assert error(train_network(model, windows, windows, settings=SETTINGS).model, windows) < before


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
    assert error(train_network(model, windows, windows, settings=SETTINGS).model, windows) < 1e-8


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
    assert error(bent, windows) < 0.3 * error(straight, windows)


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
