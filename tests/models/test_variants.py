"""Each variant has its defining property."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.utils.flop_counter import FlopCounterMode

from aedetect.models import VARIANTS, layers
from aedetect.models.settings import ModelSettings
from aedetect.models.variants import Variant, plain_step
from aedetect.preprocessing import Windows
from aedetect.training import train_network
from aedetect.training.fit import build_network
from aedetect.training.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=60, batch_size=64, learning_rate=1e-2, patience=60, device="cpu")
WEIGHTS = {
    "sparse_l1": "sparsity",
    "sparse_kl": "sparsity",
    "contractive": "contraction",
    "variational": "beta",
}


def rows(matrix):
    """Windows of one row each, all cells observed."""
    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    seen = np.ones(matrix.shape, dtype=bool)
    return Windows(matrix, seen, np.arange(len(matrix)), 1)


def circle(*, count=1000, noise=0.03, seed=0):
    """Rows near the unit circle, embedded in three dimensions."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, count)
    flat = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ PLANE
    return flat + random.normal(scale=noise, size=flat.shape)


PLANE = np.linalg.qr(np.random.default_rng(9).normal(size=(3, 2)))[0].T


def swiss_roll(*, count=1000, seed=0):
    """Rows on a rolled-up sheet, each column of standard deviation 1."""
    random = np.random.default_rng(seed)
    angle = 1.5 * np.pi * (1 + 2 * random.uniform(size=count))
    roll = np.stack(
        [angle * np.cos(angle), 21 * random.uniform(size=count), angle * np.sin(angle)], 1
    )
    return (roll - roll.mean(0)) / roll.std(0)


def sources(*, count=1000, kinds=8, seed=0):
    """Rows of twelve columns, each a mixture of two of eight directions."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(kinds, 12)) / 2
    chosen = np.argsort(random.random((count, kinds)), axis=1)[:, :2]
    strength = np.zeros((count, kinds))
    np.put_along_axis(strength, chosen, random.uniform(0.5, 1.5, (count, 2)), axis=1)
    return strength @ directions + random.normal(scale=0.02, size=(count, 12))


def make(variant, windows, **settings):
    """An untrained model that fits the windows."""
    width = windows.matrix.shape[1]
    chosen = ModelSettings(variant=variant, **settings)
    return build_network(chosen, length=windows.length, inputs=width, outputs=width, seed=0)


def train(variant, windows, *, training=SETTINGS, **settings):
    """A model trained on the windows."""
    return train_network(
        make(variant, windows, **settings), windows, windows, settings=training
    ).model


def tensor(windows):
    """All windows."""
    return torch.from_numpy(windows.take(slice(None))[0])


@torch.inference_mode()
def error(model, windows):
    """Mean squared error of the reconstruction."""
    return (model(tensor(windows)) - tensor(windows)).square().mean().item()


@torch.inference_mode()
def activations(model, windows):
    """Latent vectors of all windows."""
    return model.encode(tensor(windows))


def weights_equal(one, other):
    """Whether two models have the same weights to the bit."""
    first, second = one.state_dict(), other.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


# linear


def test_linear_is_principal_component_analysis():
    """The same reconstruction as scikit-learn's of the same rank."""
    windows = rows(sources())
    model = train("linear", windows, latent=4)
    cells = windows.matrix
    pca = PCA(4).fit(cells)
    rebuilt = model(tensor(windows)).detach().numpy()[:, 0]
    np.testing.assert_allclose(rebuilt, pca.inverse_transform(pca.transform(cells)), atol=1e-5)


def test_linear_by_gradient_reaches_the_same_subspace():
    """No direction of the one is out of the other's."""
    windows = rows(sources() + 1)
    closed = train("linear", windows, latent=3)
    descended = make("linear", windows, latent=3)
    descended.closed_form = False
    patient = replace(SETTINGS, epochs=240)
    train_network(descended, windows, windows, settings=patient)
    first, _ = torch.linalg.qr(closed.basis.detach().T)
    second, _ = torch.linalg.qr(descended.basis.detach().T)
    cosines = torch.linalg.svdvals(first.T @ second)
    assert cosines.min() > 0.999
    assert error(descended, windows) == pytest.approx(error(closed, windows), rel=1e-2)


# undercomplete


@pytest.mark.parametrize(("data", "latent"), [(circle, 1), (swiss_roll, 2)])
def test_undercomplete_beats_linear_on_a_curved_manifold(data, latent):
    """With the same rank, on unseen rows."""
    windows, later = rows(data()), rows(data(seed=1))
    bent = train("undercomplete", windows, latent=latent, hidden=(32, 32))
    straight = train("linear", windows, latent=latent)
    assert error(bent, later) < 0.5 * error(straight, later)


def test_a_wide_bottleneck_copies():
    """Rows far from the manifold are reconstructed too, so they cannot be detected."""
    windows = rows(circle())
    anomalous = rows(circle(count=300, seed=1) * np.array([2.0]))
    narrow, wide = (
        train("undercomplete", windows, latent=latent, hidden=(16,)) for latent in (1, 3)
    )
    assert error(wide, anomalous) < 0.2 * error(narrow, anomalous)


# sparse


def test_more_sparsity_lowers_the_activations():
    """Both their mean and the share of active units fall."""
    windows = rows(sources())
    means, shares = [], []
    for sparsity in (0.0, 0.02, 0.2):
        latent = activations(train("sparse_l1", windows, latent=24, sparsity=sparsity), windows)
        means.append(latent.abs().mean().item())
        shares.append((latent > 1e-3).float().mean().item())
    assert means[0] > means[1] > means[2] > 0
    assert shares[0] > shares[1] > shares[2] > 0


def test_different_rows_activate_different_units():
    """Each row activates few units, and hardly any unit is unused."""
    windows = rows(sources())
    model = train("sparse_l1", windows, latent=24, hidden=(), sparsity=0.05)
    active = activations(model, windows) > 1e-2
    assert active.float().mean() < 0.5
    used = active.any(0)
    assert used.sum() >= 8  # as many as there are sources
    assert len(torch.unique(active, dim=0)) > 20
    assert error(model, windows) < 0.2 * windows.matrix.var()


def test_activations_approach_the_target():
    """Of sparse_kl, on average over the windows; without the penalty they are elsewhere."""
    windows, target = rows(sources()), 0.1
    far, near = (
        (activations(model, windows).mean(0) - target).abs().mean()
        for model in (
            train("sparse_kl", windows, sparsity=sparsity, sparsity_target=target)
            for sparsity in (0.0, 3.0)
        )
    )
    assert near < 0.2 * target
    assert near < 0.2 * far


# all that have a penalty


@pytest.mark.parametrize("variant", WEIGHTS)
@pytest.mark.parametrize("backbone", ["dense", "convolutional"])
def test_a_weight_of_zero_is_plain_training(monkeypatch, variant, backbone):
    """Weights are equal to the last bit; a variational latent vector is still sampled."""
    matrix = rows(sources(count=300))
    windows = replace(matrix, length=4, ends=matrix.ends[3:])
    training = replace(SETTINGS, epochs=2)
    options = {"backbone": backbone, WEIGHTS[variant]: 0.0, "activation": "tanh"}
    penalised = train(variant, windows, training=training, **options)
    original = VARIANTS[variant]

    def unpenalised(model, windows, generator):
        if original.gaussian:
            return original.step(model, windows, generator)[0], 0.0
        return plain_step(model, windows, generator)

    monkeypatch.setitem(VARIANTS, variant, replace(original, step=unpenalised))
    assert weights_equal(penalised, train(variant, windows, training=training, **options))


def test_a_weight_of_zero_is_the_undercomplete_variant():
    """Weights are equal to the last bit for equal networks: shallow, with the same activation."""
    windows = rows(sources(count=300))
    training = replace(SETTINGS, epochs=3)
    for variant, activation in (("sparse_l1", "relu"), ("sparse_kl", "sigmoid")):
        shape = {"hidden": (), "latent": 20, "activation": activation}
        sparse = train(variant, windows, training=training, sparsity=0.0, **shape)
        assert weights_equal(sparse, train("undercomplete", windows, training=training, **shape))
    for hidden in ((), (16,)):
        shape = {"hidden": hidden, "latent": 5, "activation": "tanh"}
        free = train("contractive", windows, training=training, contraction=0.0, **shape)
        assert weights_equal(free, train("undercomplete", windows, training=training, **shape))


# denoising


@pytest.mark.parametrize("noise", ["gaussian", "masking", "swap"])
def test_denoising_leads_noised_rows_to_the_manifold(noise):
    """Reconstructions are nearer to the circle than their inputs."""
    windows = rows(circle(noise=0.01))
    model = train("denoising", windows, noise=noise, noise_level=0.2, latent=3, hidden=(64,))
    random = np.random.default_rng(5)
    clean = circle(count=500, noise=0, seed=2)
    noised = torch.tensor(clean + random.normal(scale=0.2, size=clean.shape)).float()
    rebuilt = model(noised.unsqueeze(1)).detach()[:, 0]
    assert off_the_circle(rebuilt) < 0.8 * off_the_circle(noised)


def off_the_circle(points):
    """Mean distance of rows from the circle that `circle` scatters about."""
    flat = points.numpy() @ PLANE.T
    beside = points.numpy() - flat @ PLANE
    return np.hypot(np.linalg.norm(flat, axis=1) - 1, np.linalg.norm(beside, axis=1)).mean()


def test_scoring_does_not_corrupt():
    """The network alone is what scores: the same rows, the same reconstruction, every time."""
    windows = rows(circle(count=300))
    model = train("denoising", windows, training=replace(SETTINGS, epochs=2), noise_level=0.9)
    assert torch.equal(model(tensor(windows)), model(tensor(windows)))


def test_noise_makes_another_model():
    """Each kind of noise gives different weights."""
    windows = rows(circle(count=300))
    training = replace(SETTINGS, epochs=2)
    models = [train("undercomplete", windows, training=training)] + [
        train("denoising", windows, training=training, noise=noise)
        for noise in ("gaussian", "masking", "swap")
    ]
    for number, model in enumerate(models):
        assert not any(weights_equal(model, other) for other in models[:number])


# contractive


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_contraction_brings_codes_of_near_inputs_nearer(hidden):
    """Relative to the distance between the latent vectors of any two inputs, not by shrinking."""
    windows = rows(circle(noise=0.1))
    shape = {"latent": 3, "hidden": hidden, "activation": "tanh"}
    found = []
    for contraction in (0.0, 0.3):
        model = train("contractive", windows, contraction=contraction, **shape)
        values = tensor(windows)
        moved = values + 0.1 * torch.randn(values.shape, generator=torch.Generator().manual_seed(1))
        latent = model.encode(values).detach()
        near = (model.encode(moved).detach() - latent).square().sum(1).mean()
        found.append((near.item(), (near / latent.var(0).sum()).item()))
    (near_free, relative_free), (near_held, relative_held) = found
    assert near_held < 0.7 * near_free
    assert relative_held < 0.9 * relative_free


@pytest.mark.parametrize("hidden", [(), (128,)])
def test_contraction_costs_at_most_three_times_plain_training(hidden, monkeypatch):
    """Counts the multiplications of a step; benchmarks/contraction.py measures seconds."""
    monkeypatch.setattr(layers, "_has_wide_vectors", lambda: False)  # those of oneDNN go uncounted
    matrix = np.random.default_rng(0).normal(size=(2_000, 20)).astype(np.float32)
    windows = Windows(matrix, np.ones((2_000, 20), dtype=bool), np.arange(15, 2_000), 16)
    model = make("contractive", windows, hidden=hidden, activation="tanh")
    values, noise = tensor(windows)[:256], torch.Generator().manual_seed(0)
    counted = []
    for step in (plain_step, VARIANTS["contractive"].step):
        with FlopCounterMode(display=False) as counter:
            rebuilt, penalty = step(model, values, noise)
            ((rebuilt - values).square().mean() + penalty).backward()
        counted.append(counter.get_total_flops())
    plainly, contracting = counted
    assert plainly < contracting < 3 * plainly


# variational


def test_variational_codes_are_near_the_standard_normal():
    """The larger beta, the nearer."""
    windows = rows(circle())
    divergences = []
    for beta in (0.01, 1.0):
        model = train("variational", windows, beta=beta, latent=2, hidden=(32,))
        mean, log_variance = model.encode_all(tensor(windows)).detach().chunk(2, dim=1)
        divergences.append((mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean())
    assert divergences[1] < 0.7 * divergences[0]


def test_variational_scores_by_the_mean_code():
    """Nothing is sampled: the output repeats."""
    windows = rows(circle(count=300))
    model = train("variational", windows, training=replace(SETTINGS, epochs=2), latent=2)
    encoded = model.encode_all(tensor(windows))
    assert encoded.shape == (300, 4)
    assert torch.equal(model.encode(tensor(windows)), encoded[:, :2])
    assert torch.equal(model(tensor(windows)), model.decode(encoded[:, :2]))


def test_variational_training_draws_codes():
    """Two generators, two reconstructions."""
    windows = rows(circle(count=300))
    model = make("variational", windows, latent=2)
    first, again, other = (
        VARIANTS["variational"].step(model, tensor(windows), torch.Generator().manual_seed(seed))[0]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# the interface


def test_a_new_variant_is_a_step_and_an_entry(monkeypatch):
    """Training lowers the penalty of a new step; no other module changes."""

    def small_output(model, windows, generator):
        rebuilt = model(windows)
        return rebuilt, 100 * rebuilt.square().mean()

    windows = rows(circle(count=500))
    ordinary = train("undercomplete", windows)
    monkeypatch.setitem(VARIANTS, "undercomplete", Variant(step=small_output))
    small = train("undercomplete", windows)
    assert small(tensor(windows)).abs().mean() < 0.3 * ordinary(tensor(windows)).abs().mean()


def test_the_best_epoch_is_that_of_the_whole_loss():
    """A penalty that falls is progress, although the error alone may rise."""
    windows = rows(sources(count=400))
    training = replace(SETTINGS, epochs=10, patience=2)
    model = make("sparse_kl", windows, sparsity=10.0)
    epochs = train_network(model, windows, windows, settings=training).epochs
    losses = [epoch.validation_loss for epoch in epochs]
    assert np.argmin(losses) >= len(epochs) - 3
    assert all(epoch.validation_loss >= epoch.validation for epoch in epochs)


def test_plain_loss_is_the_error():
    """Without a penalty the two are equal."""
    windows = rows(circle(count=300))
    epochs = train_network(
        make("undercomplete", windows), windows, windows, settings=SETTINGS
    ).epochs
    assert all(epoch.validation_loss == epoch.validation for epoch in epochs)
