"""Checks of the properties of every variant, on each backbone."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Generator

from aedetect.detector.reconstruction import CHUNK
from aedetect.models import VARIANTS
from aedetect.models.threads import one_thread
from aedetect.testing.cases import (
    VariantCase,
    make_network_for,
    mean_squared_error,
    variant_cases,
    window_values,
)
from aedetect.training import train_network
from aedetect.training.settings import TrainingSettings

_ONCE = TrainingSettings(epochs=1, batch_size=64, device="cpu")
_SETTINGS = TrainingSettings(epochs=20, batch_size=32, learning_rate=1e-2, device="cpu")
_LEFT = 0.6  # largest error after training, relative to the untrained network


def check_shapes(case: VariantCase) -> None:
    """Windows of features and context are reconstructed as finite windows of the features."""
    windows, model = case.windows, case.model
    rebuilt = model(window_values(windows))
    assert rebuilt.shape == (len(windows), windows.length, windows.observed.shape[1])
    assert torch.isfinite(rebuilt).all()
    assert model.encode(window_values(windows)).shape == (len(windows), model.sizes.latent)


def check_code_is_narrower_than_the_window(case: VariantCase) -> None:
    """The code is narrower than the window, or sparse: otherwise the network could copy."""
    sizes = case.model.sizes
    narrow = sizes.latent < case.windows.length * sizes.outputs
    assert VARIANTS[case.settings.network].wide or narrow


def check_float32_throughout(case: VariantCase) -> None:
    """Weights, codes and reconstructions are in single precision, before and after training."""
    values = window_values(case.windows)
    assert case.model(values).dtype == torch.float32
    fitted = train_network(case.model, case.windows, case.windows, settings=_ONCE).model
    made = [*fitted.state_dict().values(), fitted.encode(values), fitted(values)]
    assert {each.dtype for each in made} == {torch.float32}


def check_decodes_the_last_step_alone(case: VariantCase) -> None:
    """`decode_last` is the last step of `forward`."""
    model, values = case.model, window_values(case.windows)
    torch.testing.assert_close(model.decode_last(model.encode(values)), model(values)[:, -1])


def check_weights_follow_the_seed_alone(case: VariantCase) -> None:
    """The same seed gives the same weights, and the global generator is unchanged."""
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        again = make_network_for(case.settings, case.windows).state_dict()
        assert torch.equal(torch.random.get_rng_state(), before)
    finally:
        torch.random.set_rng_state(state)
    assert all(torch.equal(again[name], each) for name, each in case.model.state_dict().items())


def check_training_repeats_itself(case: VariantCase) -> None:
    """Same data, settings and seed give the same weights, for any state of the global generator."""
    copy, twin = deepcopy(case.model), make_network_for(case.settings, case.windows)
    state = torch.random.get_rng_state()
    first = train_network(case.model, case.windows, case.windows, settings=_SETTINGS).model
    assert torch.equal(torch.random.get_rng_state(), state)
    try:
        torch.manual_seed(1)
        others = [
            train_network(each, case.windows, case.windows, settings=_SETTINGS).model.state_dict()
            for each in (copy, twin)
        ]
    finally:
        torch.random.set_rng_state(state)
    for name, weights in first.state_dict().items():
        assert all(torch.equal(other[name], weights) for other in others), name


def check_does_not_mix_a_batch(case: VariantCase) -> None:
    """The result of a row is the same to the bit, at any position and beside any other rows.

    Computed as in scoring: in chunks of a fixed number of rows, by one thread.
    """
    model = case.model
    values = window_values(case.windows).repeat(2, 1, 1)[:CHUNK]
    others = torch.cat([values[:1], values[1:] * 100])
    with one_thread(), torch.inference_mode():
        score = model.decode_last(model.encode(values))
        among_others = model.decode_last(model.encode(others))
        for places in (1, 17, 250, 511):
            turned = model.decode_last(model.encode(values.roll(places, 0))).roll(-places, 0)
            assert torch.equal(turned, score)
    assert torch.equal(among_others[0], score[0])


def check_reconstructs_each_window_alone(case: VariantCase) -> None:
    """The full reconstruction of a few windows does not depend on neighbours or positions."""
    values = window_values(case.windows, slice(64))
    rebuilt = case.model(values)
    others = torch.cat([values[:1], values[1:] * 100])
    assert torch.equal(rebuilt[:1], case.model(others)[:1])
    assert torch.equal(rebuilt, case.model(values.roll(17, 0)).roll(-17, 0))


def check_survives_saving(case: VariantCase) -> None:
    """The weights alone, without pickle, restore the same reconstruction."""
    fitted = train_network(case.model, case.windows, case.windows, settings=_SETTINGS).model
    twin = make_network_for(case.settings, case.windows, seed=7)
    twin.load_state_dict(load(save(fitted.state_dict())))
    values = window_values(case.windows)
    assert torch.equal(twin.eval()(values), fitted(values))


def check_training_lowers_the_loss(case: VariantCase) -> None:
    """The error alone decreases too, with the default weights of the regularisers."""
    model, windows = case.model, case.windows
    before = mean_squared_error(model, windows)
    epochs = train_network(model, windows, windows, settings=_SETTINGS).epochs
    assert mean_squared_error(model, windows) < _LEFT * before
    if not model.closed_form:
        assert epochs[-1].loss < epochs[0].loss


def check_gradient_reaches_every_parameter(case: VariantCase) -> None:
    """One training step changes, or could change, every parameter; so does the error alone."""
    model, values = case.model, window_values(case.windows)
    step = VARIANTS[case.settings.network].step
    rebuilt, penalty = step(model, values, Generator().manual_seed(0))
    columns = values[:, :, : model.sizes.outputs]
    losses = [(rebuilt - columns).square().sum() + penalty]
    if not model.closed_form:  # it is solved, and from a start at which some gradients are 0
        losses.append(model(values).square().sum())
    for loss in losses:
        model.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        for name, weights in model.named_parameters():
            assert weights.grad is not None, name
            assert weights.grad.abs().sum() > 0, name


def check_masked_cells_do_not_leak(case: VariantCase) -> None:
    """The error depends only on observed cells."""
    windows = case.windows
    windows.matrix[:, : windows.observed.shape[1]][~windows.observed] = 5
    fitted = train_network(case.model, windows, windows, settings=_ONCE)
    expected = mean_squared_error(fitted.model, windows)
    np.testing.assert_allclose(fitted.epochs[0].validation, expected, rtol=1e-4)


def check_leaves_its_input_alone(case: VariantCase) -> None:
    """Neither scoring nor a training step writes to its input."""
    values = window_values(case.windows)
    before = values.clone()
    case.model(values)
    VARIANTS[case.settings.network].step(case.model, values, Generator().manual_seed(0))
    assert torch.equal(values, before)
    assert not values.requires_grad


VARIANT_CHECKS: tuple[Callable[[VariantCase], None], ...] = (
    check_shapes,
    check_code_is_narrower_than_the_window,
    check_float32_throughout,
    check_decodes_the_last_step_alone,
    check_weights_follow_the_seed_alone,
    check_training_repeats_itself,
    check_does_not_mix_a_batch,
    check_reconstructs_each_window_alone,
    check_survives_saving,
    check_training_lowers_the_loss,
    check_gradient_reaches_every_parameter,
    check_masked_cells_do_not_leak,
    check_leaves_its_input_alone,
)


def check_variant(variant: str) -> None:
    """Run all checks on a variant, on each backbone and shape; takes a few seconds.

    Args:
        variant: A name in `aedetect.models.VARIANTS`.

    Raises:
        AssertionError: A check fails; the traceback names it.
    """
    with one_thread():
        for check in VARIANT_CHECKS:
            for case in variant_cases(variant):  # new for each check: some train the network
                check(case)
