"""The training loop."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from aedetect.errors import TooFewRows
from aedetect.models.settings import ModelSettings
from aedetect.models.variants import plain_step
from aedetect.preprocessing import Windows
from aedetect.training import train_network
from aedetect.training.descent import share_of_rate
from aedetect.training.fit import build_network, choose_device
from aedetect.training.loss import loss_of, noise_generator
from aedetect.training.settings import TrainingSettings

SETTINGS = TrainingSettings(epochs=4, batch_size=32, learning_rate=1e-2, device="cpu")


def windows(rows=200, *, seed=0):
    """Windows of two steps of three features."""
    random = np.random.default_rng(seed)
    matrix = (random.normal(size=(rows, 1)) * [1.0, 2.0, 3.0]).astype(np.float32)
    return Windows(matrix, np.ones((rows, 3), dtype=bool), np.arange(1, rows), 2)


def model(*, seed=0):
    """An untrained model for them."""
    return build_network(ModelSettings(), length=2, inputs=3, outputs=3, seed=seed)


def weights(fitted):
    """All weights in a row."""
    return torch.cat([each.flatten() for each in fitted.model.state_dict().values()])


def test_a_tiny_training_set_trains():
    """The last partial batch is not dropped, also when it is the only one."""
    few = windows(rows=9)
    settings = replace(SETTINGS, batch_size=256)
    fitted = train_network(model(), few, few, settings=settings)
    assert fitted.epochs[-1].loss < fitted.epochs[0].loss


def test_every_window_is_trained_on():
    """Without the windows of the last partial batch the weights would be the same."""
    learn = windows(rows=34)
    spoilt = Windows(learn.matrix.copy(), learn.observed, learn.ends, 2)
    for window in range(len(learn)):
        spoilt.matrix[:] = learn.matrix
        spoilt.matrix[learn.ends[window]] += 3
        settings = replace(SETTINGS, epochs=1)
        first, second = (
            train_network(model(), each, learn, settings=settings) for each in (learn, spoilt)
        )
        assert not torch.equal(weights(first), weights(second))


def test_the_seed_decides():
    """The same seed repeats the training, another one does not."""
    first, again, other = (
        train_network(model(), windows(), windows(seed=1), settings=replace(SETTINGS, seed=seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert first.epochs == again.epochs


def test_global_generators_are_left_alone():
    """Library code uses its own generators."""
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train_network(model(), windows(), windows(), settings=SETTINGS)
    assert torch.equal(torch_state, torch.random.get_rng_state())
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_the_best_weights_are_kept():
    """The result is the best epoch, with an unstable rate and rows unlike those learnt."""
    check = windows(seed=1)
    check.matrix[:] = check.matrix[:, ::-1] * np.array([1, -1, 1], dtype=np.float32)
    wild = replace(SETTINGS, learning_rate=0.5, epochs=12, patience=12)
    fitted = train_network(model(), windows(), check, settings=wild)
    values = torch.from_numpy(check.take(slice(None))[0])
    final = (fitted.model(values) - values).square().mean().item()
    losses = [epoch.validation for epoch in fitted.epochs]
    assert final == pytest.approx(min(losses), rel=1e-4)
    assert min(losses) < losses[-1]


def test_training_stops_when_patience_ends():
    """After `patience` epochs without improvement, and no more."""
    wild = replace(SETTINGS, learning_rate=0.5, epochs=100, patience=3)
    losses = [
        epoch.validation
        for epoch in train_network(model(), windows(), windows(seed=1), settings=wild).epochs
    ]
    assert len(losses) == int(np.argmin(losses)) + 1 + 3


def test_unobserved_cells_have_no_effect():
    """Neither on the loss nor on the weights; whole windows are taken on their own."""
    learn = windows()
    observed = np.random.default_rng(0).random(learn.matrix.shape) < 0.8
    found, other = (
        train_network(model(), part, learn, settings=replace(SETTINGS, epochs=1))
        for part in (learn, replace(learn, observed=observed))
    )
    assert learn.complete
    assert found.epochs != other.epochs
    given = model()
    noise = noise_generator(given, 0)
    few = replace(learn, observed=observed)
    values, seen = few.take(np.arange(50))
    squared = np.square(given(torch.from_numpy(values)).detach().numpy() - values)
    loss = loss_of(given, few, np.arange(50), plain_step, noise)
    assert loss.item() == pytest.approx(squared[seen].mean(), rel=1e-5)
    whole = loss_of(given, learn, np.arange(50), plain_step, noise)
    assert whole.item() == pytest.approx(squared.mean(), rel=1e-5)


def test_the_rate_rises_and_falls_to_nothing():
    """However few steps there are, and each of them moves the weights."""
    for steps in (1, 2, 9, 500, 2_000):
        shares = [share_of_rate(done, steps) for done in range(steps)]
        highest = int(np.argmax(shares))
        assert all(0 < share <= 1 for share in shares)
        assert shares[: highest + 1] == sorted(shares[: highest + 1])
        assert shares[highest:] == sorted(shares[highest:], reverse=True)
        assert highest <= max(0, min(50, steps // 10))


def test_the_network_is_ready_to_score():
    """On the CPU and in evaluation mode."""
    fitted = train_network(model(), windows(), windows(), settings=SETTINGS)
    assert not fitted.model.training
    assert {str(each.device) for each in fitted.model.parameters()} == {"cpu"}


def test_progress_is_logged(caplog):
    """One event per epoch, with its losses as fields."""
    with caplog.at_level(logging.INFO, logger="aedetect.training.fit"):
        fitted = train_network(model(), windows(), windows(), settings=SETTINGS)
    events = [record.fields for record in caplog.records if record.event == "epoch"]
    assert [event["number"] for event in events] == [1, 2, 3, 4]
    assert [event["loss"] for event in events] == [epoch.loss for epoch in fitted.epochs]


@pytest.mark.parametrize("purpose", ["train on", "validate on"])
def test_no_window_is_refused(purpose):
    """The message states the purpose and the remedy."""
    none = replace(windows(), ends=np.array([], dtype=np.int64))
    given = (none, windows()) if purpose == "train on" else (windows(), none)
    with pytest.raises(TooFewRows, match=rf"window of 2 rows is needed to {purpose}.*lower"):
        train_network(model(), *given, settings=SETTINGS)


def test_a_device_can_be_named():
    """And is detected by default."""
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in {"cpu", "cuda", "mps"}
