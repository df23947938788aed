"""Backbones; the checks of every variant on each of them are in tests/testing."""

from __future__ import annotations

import typing
from copy import deepcopy

import pytest
import torch

from aedetect.errors import ConfigError
from aedetect.models import VARIANTS
from aedetect.models.settings import BackboneName, ModelSettings, VariantName
from aedetect.models.sizing import derive_sizes
from aedetect.models.variants import BACKBONES
from aedetect.testing.cases import make_network_for, make_windows, window_values
from aedetect.training import train_network
from aedetect.training.settings import TrainingSettings

LENGTH = 6
ONCE = TrainingSettings(epochs=1, batch_size=64, device="cpu")


def table(*, features, length=LENGTH):
    """Windows of features that follow one wave, and of a context column that does not."""
    return make_windows(features=features, context=1, length=length)


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
    model = make_network_for(ModelSettings(backbone="convolutional", hidden=hidden), windows)
    values = window_values(windows)
    assert model(values).shape == (len(windows), length, 3)
    torch.testing.assert_close(model.decode_last(model.encode(values)), model(values)[:, -1])


def test_convolutions_see_every_step_and_column():
    """A change of any cell changes the latent vector, on which any step of the output depends."""
    windows = table(features=3, length=9)
    model = make_network_for(ModelSettings(backbone="convolutional", activation="tanh"), windows)
    values = window_values(windows, slice(1)).requires_grad_()
    model.encode(values).sum().backward()
    assert (values.grad.abs() > 0).all()
    latent = model.encode(values).detach().requires_grad_()
    for step in range(9):
        (slope,) = torch.autograd.grad(model.decode(latent)[0, step].sum(), latent)
        assert (slope.abs() > 0).any()


def test_convolutions_share_what_they_learn_along_time():
    """Weights are shared: their number hardly grows with the window."""
    short, long = (
        sum(weights.numel() for weights in model.down.parameters())
        for model in (
            make_network_for(
                ModelSettings(backbone="convolutional", hidden=(8, 8)), table(features=3, length=n)
            )
            for n in (8, 64)
        )
    )
    assert short == long


def test_a_code_as_wide_as_the_window_is_noted(caplog):
    """A note is logged where only the width of the latent vector keeps a model from copying."""
    windows = table(features=2)
    cells = 2 * LENGTH
    for variant in VARIANTS:
        caplog.clear()
        make_network_for(ModelSettings(variant=variant, latent=cells), windows)
        noted = any("can copy anomalies" in record.message for record in caplog.records)
        assert noted == (variant in {"undercomplete", "linear"})
    caplog.clear()
    make_network_for(ModelSettings(latent=cells - 1), windows)
    assert not caplog.records


@pytest.mark.parametrize("length", [1, 2, 16, 60])
@pytest.mark.parametrize("outputs", [1, 2, 7, 100])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_derived_sizes_are_sensible(length, outputs, backbone):
    """A plain latent vector is narrower than the window; a sparse one is wider, within a limit."""
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
    settings = ModelSettings(variant="variational", backbone="convolutional")
    model = make_network_for(settings, windows)
    twin = deepcopy(model)
    for each in (model, twin):
        train_network(each, windows, windows, settings=ONCE)
    assert torch.equal(model(window_values(windows)), twin(window_values(windows)))
