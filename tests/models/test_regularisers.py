"""Regularisers equal their formulas, and corruptions behave as named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.func import jacrev, vmap

from aedetect.models import layers
from aedetect.models.corruption import CORRUPTIONS
from aedetect.models.regularisers import (
    SLOPES,
    contraction_by_probes,
    contraction_of_layer,
    kl_gaussian,
    kl_sparsity,
    l1,
)
from aedetect.models.settings import ModelSettings
from aedetect.models.variants import VARIANTS
from aedetect.training.fit import build_network

CELLS = torch.randn(400, 3, 5, generator=torch.Generator().manual_seed(3))


def seeded(seed=0):
    """A source of noise."""
    return torch.Generator().manual_seed(seed)


def network(*, variant="contractive", length=3, **settings):
    """A small untrained network for windows of two features."""
    chosen = ModelSettings(variant=variant, **settings)
    return build_network(chosen, length=length, inputs=2, outputs=2, seed=0)


def jacobians(model, windows):
    """Each window's Jacobian by torch.func, which knows no rule for products by oneDNN."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "_has_wide_vectors", lambda: False)
        return vmap(jacrev(lambda window: model.encode(window[None])[0]))(windows)


def jacobian_norms(model, windows):
    """Squared Frobenius norm of each window's Jacobian: (B,)."""
    return jacobians(model, windows).flatten(1).square().sum(1)


def test_l1_is_the_sum_of_absolute_activations():
    """Of each row, and the mean of those."""
    latent = torch.randn(7, 4, generator=seeded())
    assert l1(latent).item() == pytest.approx(np.abs(latent.numpy()).sum(1).mean())


@pytest.mark.parametrize("target", [0.01, 0.2, 0.7])
def test_kl_sparsity_is_the_divergence_of_two_coins(target):
    """Summed over the units, from the target to the mean activation."""
    latent = torch.rand(50, 6, generator=seeded())
    expected = kl_divergence(Bernoulli(torch.tensor(target)), Bernoulli(latent.mean(0))).sum()
    torch.testing.assert_close(kl_sparsity(latent, target=target), expected)
    mean = latent.mean(0).double().numpy()
    closed = target * np.log(target / mean) + (1 - target) * np.log((1 - target) / (1 - mean))
    assert kl_sparsity(latent, target=target).item() == pytest.approx(closed.sum(), rel=1e-5)


def test_kl_sparsity_is_zero_at_the_target():
    """It is zero for any spread around the target, and larger on either side."""
    latent = torch.tensor([[0.1, 0.2], [0.3, 0.2]])
    assert kl_sparsity(latent, target=0.2).item() == pytest.approx(0, abs=1e-7)
    for off in (0.19, 0.21):
        assert kl_sparsity(latent, target=off).item() > 0


def test_kl_sparsity_of_dead_units_is_finite():
    """Units that are always off or on have a finite gradient."""
    latent = torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    loss = kl_sparsity(latent, target=0.1)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(latent.grad).all()


def test_kl_gaussian_is_the_divergence_from_the_standard_normal():
    """For each row."""
    mean, log_variance = torch.randn(2, 9, 4, generator=seeded())
    spread = (0.5 * log_variance).exp()
    expected = kl_divergence(Normal(mean, spread), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_gaussian(mean, log_variance), expected)


@pytest.mark.parametrize("activation", SLOPES)
def test_contraction_of_a_layer_is_exact(activation):
    """The squared norm of the Jacobian that torch.func computes."""
    model = network(hidden=(), latent=4, activation=activation)
    windows = torch.randn(8, 3, 2, generator=seeded())
    latent = model.encode(windows)
    norm = contraction_of_layer(latent, model.single_layer_weight, slope=SLOPES[activation](latent))
    torch.testing.assert_close(norm, jacobian_norms(model, windows).mean())


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": (6,), "activation": "tanh"},
        {"hidden": (6, 5), "activation": "gelu"},
        {"hidden": (), "activation": "gelu"},
        {"backbone": "convolutional", "activation": "relu"},
    ],
)
def test_contraction_by_probes_is_unbiased(settings):
    """Over all 2^C sign probes, mean and variance are the exact ones."""
    model = network(latent=4, **settings)
    windows = torch.randn(5, 3, 2, generator=seeded(), requires_grad=True)
    latent = model.encode(windows)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)
    found = torch.stack(
        [contraction_by_probes(latent, windows, each.expand_as(latent)) for each in corners]
    )
    exact = jacobian_norms(model, windows.detach())
    torch.testing.assert_close(found.mean(), exact.mean())
    slopes = jacobians(model, windows.detach())
    gram = torch.einsum("bci,bdi->bcd", slopes.flatten(2), slopes.flatten(2))
    between = gram - torch.diag_embed(torch.diagonal(gram, dim1=1, dim2=2))
    # The same probe for all rows of a batch: the variance is that of the mean of their matrices.
    expected = 2 * between.mean(0).square().sum()
    torch.testing.assert_close(found.var(correction=0), expected, rtol=1e-4, atol=1e-9)


def test_contraction_by_probes_of_one_number_is_exact():
    """There is no other direction."""
    model = network(hidden=(6,), latent=1)
    windows = torch.randn(5, 3, 2, generator=seeded(), requires_grad=True)
    latent = model.encode(windows)
    found = contraction_by_probes(latent, windows, torch.ones_like(latent))
    torch.testing.assert_close(found, jacobian_norms(model, windows.detach()).mean())


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_contraction_has_the_gradient_of_the_exact_norm(hidden):
    """In the training step too, over many probes where it is estimated."""
    model = network(hidden=hidden, latent=2, activation="tanh", contraction=1.0)
    windows = torch.randn(4, 3, 2, generator=seeded())
    repeated = windows.repeat(500, 1, 1) if hidden else windows
    _, penalty = VARIANTS["contractive"].step(model, repeated, seeded())
    weights = list(model.encoder.parameters())
    found = torch.autograd.grad(penalty, weights, allow_unused=True)
    exact = torch.autograd.grad(jacobian_norms(model, windows).mean(), weights, allow_unused=True)
    for one, other in zip(found, exact, strict=True):
        if other is not None:
            torch.testing.assert_close(one, other, rtol=0.1, atol=5e-3 if hidden else 1e-6)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_noise_is_of_the_level_asked_for(name):
    """Gaussian by its standard deviation, the others by the share of cells that change."""
    changed = CORRUPTIONS[name](CELLS, level=0.3, generator=seeded())
    if name == "gaussian":
        assert (changed - CELLS).std().item() == pytest.approx(0.3, rel=0.05)
    else:
        assert (changed != CELLS).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert changed.shape == CELLS.shape


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_no_noise_changes_nothing(name):
    """And noise does not modify its input."""
    before = CELLS.clone()
    assert torch.equal(CORRUPTIONS[name](CELLS, level=0.0, generator=seeded()), CELLS)
    CORRUPTIONS[name](CELLS, level=0.5, generator=seeded())
    assert torch.equal(CELLS, before)


def test_masking_sets_cells_to_the_typical():
    """Which is 0 after scaling."""
    changed = CORRUPTIONS["masking"](CELLS, level=0.3, generator=seeded())
    assert (changed[changed != CELLS] == 0).all()


def test_swap_takes_another_row_of_the_same_column():
    """At the same step: a column only takes values that it has."""
    changed = CORRUPTIONS["swap"](CELLS, level=0.5, generator=seeded())
    for step in range(CELLS.shape[1]):
        for column in range(CELLS.shape[2]):
            assert torch.isin(changed[:, step, column], CELLS[:, step, column]).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_context_is_not_corrupted(name):
    """The denoising step passes clean context columns to the network."""
    settings = ModelSettings(variant="denoising", noise=name, noise_level=0.9)
    model = build_network(settings, length=3, inputs=5, outputs=2, seed=0)
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    VARIANTS["denoising"].step(model, CELLS, seeded())
    assert torch.equal(seen[0][:, :, 2:], CELLS[:, :, 2:])
    assert not torch.equal(seen[0][:, :, :2], CELLS[:, :, :2])


def test_penalties_are_weighted_as_set():
    """Twice the weight is twice the penalty; zero weight is no penalty."""
    weights = {
        "sparse_l1": "sparsity",
        "sparse_kl": "sparsity",
        "contractive": "contraction",
        "variational": "beta",
    }
    windows = torch.randn(20, 3, 2, generator=seeded())
    for variant, weight in weights.items():
        model = network(variant=variant)
        penalties = []
        for value in (0.0, 0.5, 1.0):
            model.settings = replace(model.settings, **{weight: value})
            penalties.append(VARIANTS[variant].step(model, windows, seeded())[1].item())
        assert penalties[0] == 0
        assert penalties[2] == pytest.approx(2 * penalties[1])
        assert penalties[2] > 0
