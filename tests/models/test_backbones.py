"""Every variant on every backbone passes the checks that hold for every model."""

from __future__ import annotations

import typing
from copy import deepcopy
from itertools import product

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from aedetect.detector.reconstruction import CHUNK
from aedetect.errors import ConfigError
from aedetect.models import VARIANTS
from aedetect.models.settings import BackboneName, ModelSettings, VariantName
from aedetect.models.sizing import derive_sizes
from aedetect.models.variants import BACKBONES
from aedetect.preprocessing import Windows
from aedetect.training import train_network
from aedetect.training.fit import build_network
from aedetect.training.settings import TrainingSettings

LENGTH = 6
CONTEXT = 1
ONCE = TrainingSettings(epochs=1, batch_size=64, device="cpu")
SETTINGS = TrainingSettings(epochs=10, batch_size=32, learning_rate=1e-2, device="cpu")


def table(*, features, rows=300, length=LENGTH):
    """Windows of features that follow one wave, and of a context column that does not."""
    random = np.random.default_rng(0)
    wave = np.sin(np.arange(rows) / 5)[:, None] * np.linspace(1, 2, features)
    matrix = np.hstack([wave, np.zeros((rows, CONTEXT))])
    matrix = (matrix + random.normal(scale=0.1, size=matrix.shape)).astype(np.float32)
    observed = random.random((rows, features)) > 0.1
    return Windows(matrix, observed, np.arange(length - 1, rows), length)


def make(settings, windows, *, seed=0):
    """An untrained model that fits the windows."""
    return build_network(
        settings,
        length=windows.length,
        inputs=windows.matrix.shape[1],
        outputs=windows.observed.shape[1],
        seed=seed,
    )


def values_of(windows, chosen=slice(None)):
    """Windows as a tensor."""
    return torch.from_numpy(windows.take(chosen)[0])


def error(model, windows):
    """Mean squared error over the observed cells, by hand."""
    values, observed = windows.take(slice(None))
    with torch.inference_mode():
        rebuilt = model(torch.from_numpy(values)).numpy()
    squared = np.square(rebuilt - values[:, :, : rebuilt.shape[2]], dtype=np.float64)
    return squared[observed].mean()


@pytest.fixture(
    params=product(VARIANTS, BACKBONES, (1, 5)), ids=lambda case: "-".join(map(str, case))
)
def case(request):
    """Settings and windows of a variant, a backbone and some features: with an untrained model."""
    variant, backbone, features = request.param
    settings = ModelSettings(variant=variant, backbone=backbone)
    windows = table(features=features)
    return settings, make(settings, windows), windows


def check_shapes(settings, model, windows):
    """Windows of features and context are reconstructed as windows of the features."""
    rebuilt = model(values_of(windows))
    assert rebuilt.shape == (len(windows), LENGTH, windows.observed.shape[1])
    assert torch.isfinite(rebuilt).all()
    assert model.encode(values_of(windows)).shape[0] == len(windows)


def check_float32_throughout(settings, model, windows):
    """Weights, codes and reconstructions, also when trained."""
    fitted = train_network(model, windows, windows, settings=ONCE).model
    values = values_of(windows)
    made = [*fitted.state_dict().values(), fitted.encode(values), fitted(values)]
    assert {each.dtype for each in made} == {torch.float32}


def check_decodes_the_last_step_alone(settings, model, windows):
    """`decode_last` is the last step of `forward`."""
    values = values_of(windows)
    torch.testing.assert_close(model.decode_last(model.encode(values)), model(values)[:, -1])


def check_is_deterministic_under_a_seed(settings, model, windows):
    """Same data, settings and seed: the same weights, whatever the global generator holds."""
    twin = make(settings, windows)
    state = torch.random.get_rng_state()
    first = train_network(model, windows, windows, settings=ONCE).model.state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(1)
    second = train_network(twin, windows, windows, settings=ONCE).model.state_dict()
    torch.random.set_rng_state(state)
    assert all(torch.equal(first[name], second[name]) for name in first)


def check_does_not_mix_a_batch(settings, model, windows):
    """A row of a chunk is the same to the last bit at any position, with any other rows."""
    values = values_of(windows).repeat(2, 1, 1)[:CHUNK]
    others = torch.cat([values[:1], values[1:] * 100])
    torch.set_num_threads(1)
    with torch.inference_mode():
        score = model.decode_last(model.encode(values))
        among_others = model.decode_last(model.encode(others))
        for places in (1, 17, 250, 511):
            turned = model.decode_last(model.encode(values.roll(places, 0))).roll(-places, 0)
            assert torch.equal(turned, score)
    assert torch.equal(among_others[0], score[0])


def check_survives_saving(settings, model, windows):
    """The weights alone, without pickle, bring back the same reconstruction."""
    fitted = train_network(model, windows, windows, settings=ONCE).model
    twin = make(settings, windows, seed=7)
    twin.load_state_dict(load(save(fitted.state_dict())))
    assert torch.equal(twin.eval()(values_of(windows)), fitted(values_of(windows)))


def check_training_lowers_the_loss(settings, model, windows):
    """The error alone falls too, with the default weights of the regularisers."""
    before = error(model, windows)
    epochs = train_network(model, windows, windows, settings=SETTINGS).epochs
    assert error(model, windows) < 0.6 * before
    if not model.closed_form:
        assert epochs[-1].loss < epochs[0].loss


def check_gradient_reaches_every_parameter(settings, model, windows):
    """One training step moves, or could move, every parameter."""
    step = VARIANTS[settings.variant].step
    values = values_of(windows)
    rebuilt, penalty = step(model, values, torch.Generator().manual_seed(0))
    ((rebuilt - values[:, :, : model.sizes.outputs]).square().sum() + penalty).backward()
    for name, weights in model.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().sum() > 0, name


def check_masked_cells_do_not_leak(settings, model, windows):
    """The error is that of the observed cells, whatever the others hold."""
    windows.matrix[:, : windows.observed.shape[1]][~windows.observed] = 5
    fitted = train_network(model, windows, windows, settings=ONCE)
    assert fitted.epochs[0].validation == pytest.approx(error(fitted.model, windows), rel=1e-4)


def check_leaves_its_input_alone(settings, model, windows):
    """Neither scoring nor a training step modifies it."""
    values = values_of(windows)
    before = values.clone()
    model(values)
    VARIANTS[settings.variant].step(model, values, torch.Generator().manual_seed(0))
    assert torch.equal(values, before)
    assert not values.requires_grad


CHECKS = [value for name, value in globals().items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_every_variant_on_every_backbone(check, case):
    """Every check holds for every variant, on each backbone, with one or several features."""
    check(*case)


def test_names_are_those_of_the_configuration():
    """Every configurable name can be built."""
    assert tuple(VARIANTS) == typing.get_args(VariantName)
    assert tuple(BACKBONES) == typing.get_args(BackboneName)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "linear"])
def test_a_window_of_one_row_is_refused(variant):
    """There is no time axis to convolve along."""
    settings = ModelSettings(variant=variant, backbone="convolutional")
    with pytest.raises(ConfigError, match="at least 2 rows, got 1"):
        derive_sizes(settings, length=1, inputs=3, outputs=3)


def test_convolutions_need_a_layer():
    """Without a hidden layer nothing is convolutional."""
    settings = ModelSettings(backbone="convolutional", hidden=())
    with pytest.raises(ConfigError, match="at least one hidden layer"):
        derive_sizes(settings, length=8, inputs=3, outputs=3)


@pytest.mark.parametrize("length", [2, 3, 4, 5, 7, 16, 61])
@pytest.mark.parametrize("hidden", [None, (4,), (8, 4), (8, 4, 6, 5)])
def test_convolutions_take_any_length(length, hidden):
    """For any number of halvings, `decode_last` is the last step of `decode`."""
    windows = table(features=3, length=length)
    model = make(ModelSettings(backbone="convolutional", hidden=hidden), windows)
    values = values_of(windows)
    assert model(values).shape == (len(windows), length, 3)
    torch.testing.assert_close(model.decode_last(model.encode(values)), model(values)[:, -1])


def test_convolutions_see_every_step_and_column():
    """A change of any cell changes the code, and any step of the output depends on the code."""
    windows = table(features=3, length=9)
    model = make(ModelSettings(backbone="convolutional", activation="tanh"), windows)
    values = values_of(windows, slice(1)).requires_grad_()
    model.encode(values).sum().backward()
    assert (values.grad.abs() > 0).all()
    code = model.encode(values).detach().requires_grad_()
    for step in range(9):
        (slope,) = torch.autograd.grad(model.decode(code)[0, step].sum(), code)
        assert (slope.abs() > 0).any()


def test_convolutions_share_what_they_learn_along_time():
    """Weights are shared: their number hardly grows with the window."""
    short, long = (
        sum(weights.numel() for weights in model.down.parameters())
        for model in (
            make(
                ModelSettings(backbone="convolutional", hidden=(8, 8)), table(features=3, length=n)
            )
            for n in (8, 64)
        )
    )
    assert short == long


def test_a_code_as_wide_as_the_window_is_noted(caplog):
    """A note is logged where only the width of the code keeps a model from copying."""
    windows = table(features=2)
    cells = 2 * LENGTH
    for variant in VARIANTS:
        caplog.clear()
        make(ModelSettings(variant=variant, latent=cells), windows)
        noted = any("can copy anomalies" in record.message for record in caplog.records)
        assert noted == (variant in {"undercomplete", "linear"})
    caplog.clear()
    make(ModelSettings(latent=cells - 1), windows)
    assert not caplog.records


@pytest.mark.parametrize("length", [1, 2, 16, 60])
@pytest.mark.parametrize("outputs", [1, 2, 7, 100])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_derived_sizes_are_sensible(length, outputs, backbone):
    """A plain code is narrower than the window; a sparse one is wider, within a limit."""
    for variant in VARIANTS:
        settings = ModelSettings(variant=variant, backbone="dense" if length == 1 else backbone)
        sizes = derive_sizes(settings, length=length, inputs=outputs, outputs=outputs)
        if VARIANTS[variant].wide:
            assert min(2 * sizes.cells, 256) == sizes.latent
        else:
            assert 1 <= sizes.latent <= max(1, sizes.cells - 1)
        assert sizes.encoded == sizes.latent * (2 if variant == "variational" else 1)


def test_training_goes_on_from_a_copy_as_from_the_original():
    """A model holds all its state, so a copy trains like the original."""
    windows = table(features=2)
    model = make(ModelSettings(variant="variational", backbone="convolutional"), windows)
    twin = deepcopy(model)
    for each in (model, twin):
        train_network(each, windows, windows, settings=ONCE)
    assert torch.equal(model(values_of(windows)), twin(values_of(windows)))
