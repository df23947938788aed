"""The training loop: seeding, early stopping, best weights, progress events."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.errors import TooFewRows
from aedetect.logs import log_event
from aedetect.models.settings import ModelSettings
from aedetect.models.sizing import derive_sizes
from aedetect.models.threads import one_thread
from aedetect.training.descent import Descent
from aedetect.training.loss import (
    batches,
    error_of,
    loss_of,
    noise_generator,
    validation_loss_of,
)
from aedetect.training.principal import principal_directions
from aedetect.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

    from aedetect.arrays import Int64
    from aedetect.models.base import Autoencoder
    from aedetect.preprocessing import Windows

logger = logging.getLogger(__name__)

EPOCH_WINDOWS = 100_000  # at most, resampled each epoch: neighbours hardly differ
CHECK_WINDOWS = 50_000  # at most, evenly spaced, used for validation
MOMENT_WINDOWS = 200_000  # at most, evenly spaced, used for the closed form
_MANY_WEIGHTS = 2_000_000  # from which on training uses more than one thread
_BOTTLENECK_ONLY = ("undercomplete", "linear")  # only a narrow latent keeps these from copying


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch."""

    loss: float  # training loss: mean squared error plus the regulariser per cell
    validation: float  # mean squared error of uncorrupted validation windows, observed cells only
    validation_loss: float  # as `loss`, on the validation windows; early stopping monitors it


@dataclass(frozen=True)
class Fitted:
    """The network with its best weights, and the losses of each epoch."""

    model: Autoencoder
    epochs: tuple[Epoch, ...]


def build_network(
    settings: ModelSettings, *, length: int, inputs: int, outputs: int, seed: int
) -> Autoencoder:
    """Build an untrained network; the initial weights depend only on the seed.

    Raises ConfigError when the windows are too short for the backbone.
    """
    from aedetect.models.variants import make_network

    sizes = derive_sizes(settings, length=length, inputs=inputs, outputs=outputs)
    if settings.network in _BOTTLENECK_ONLY and sizes.latent >= sizes.cells:
        text = (
            f"a latent space of {sizes.latent} dimensions is as wide as the window's "
            f"{sizes.cells} cells: {settings.network} can copy anomalies too; lower [model] "
            "latent, raise [window] length, or use a variant with a penalty or noise"
        )
        log_event(logger, "note", text=text)
    return make_network(settings, sizes, seed=seed)


def train_network(
    model: Autoencoder, learn: Windows, validate: Windows, *, settings: TrainingSettings
) -> Fitted:
    """Train a network; return it with the weights of its best epoch, on the CPU.

    Raises TooFewRows when there is no window to train or to validate on.
    """
    for windows, purpose in ((learn, "train on"), (validate, "validate on")):
        if not len(windows):
            raise TooFewRows(
                f"at least one window of {windows.length} rows is needed to {purpose}, got none: "
                "give more rows, or lower [window] length, or raise [data] max_gap"
            )
    # Threads that wait for each other spin: beside other work two took 28 minutes for what one does
    # in 38 s. Only products of many weights gain from more.
    few = sum(each.numel() for each in model.parameters()) < _MANY_WEIGHTS
    with one_thread() if few else nullcontext():
        return _fit(model, learn, validate.thin(CHECK_WINDOWS), settings)


def _fit(model: Autoencoder, learn: Windows, check: Windows, settings: TrainingSettings) -> Fitted:
    """Solve in closed form, or train."""
    if model.closed_form:
        columns, count = model.sizes.outputs, min(model.sizes.latent, model.sizes.cells)
        few = learn.thin(MOMENT_WINDOWS)
        model.solve(*principal_directions(few, columns=columns, count=count))
        error = error_of(model, check)
        epoch = Epoch(error_of(model, learn.thin(CHECK_WINDOWS)), error, error)
        _report(1, 1, epoch)
        return Fitted(model.eval(), (epoch,))
    device = choose_device(settings.device)
    history = tuple(_train_epochs(model.to(device), learn, check, settings))
    return Fitted(model.to("cpu").eval(), history)


def choose_device(name: str) -> str:
    """Return the device to train on; "auto" selects the fastest available."""
    import torch

    if name != "auto":
        return name
    return (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )


def max_epochs(settings: TrainingSettings, windows: int) -> int:
    """Return the maximum number of epochs: as set, else for 2,000 steps, between 10 and 100.

    >>> max_epochs(TrainingSettings(), 100_000), max_epochs(TrainingSettings(), 1_000)
    (10, 100)
    """
    if settings.epochs is not None:
        return settings.epochs
    return min(100, max(10, 2_000 // _steps(settings, windows)))


def _steps(settings: TrainingSettings, windows: int) -> int:
    """Return the number of steps in an epoch."""
    return -(-min(windows, EPOCH_WINDOWS) // settings.batch_size)


def _train_epochs(
    model: Autoencoder, learn: Windows, check: Windows, settings: TrainingSettings
) -> Iterator[Epoch]:
    """Yield the losses of each epoch; at the end, restore the best weights."""
    order = np.random.default_rng(settings.seed)
    noise = noise_generator(model, settings.seed)
    best, best_weights, waited = math.inf, deepcopy(model.state_dict()), 0
    limit = max_epochs(settings, len(learn))
    steps = limit * _steps(settings, len(learn))
    descent = Descent(model, rate=settings.learning_rate, steps=steps)
    for number in range(1, limit + 1):
        parts = batches(order.permutation(len(learn))[:EPOCH_WINDOWS], settings.batch_size)
        loss = _run_epoch(model, learn, parts, descent, noise)
        error = error_of(model, check)
        epoch = Epoch(
            loss, error, validation_loss_of(model, check, error=error, seed=settings.seed)
        )
        _report(number, limit, epoch)
        yield epoch
        waited += 1
        if epoch.validation_loss < best:
            best, best_weights, waited = epoch.validation_loss, deepcopy(model.state_dict()), 0
        if waited >= settings.patience:
            break
    model.load_state_dict(best_weights)


def _run_epoch(
    model: Autoencoder,
    learn: Windows,
    parts: list[Int64],
    descent: Descent,
    noise: torch.Generator,
) -> float:
    """Take one step per batch; return the mean loss."""
    from aedetect.models import VARIANTS

    step = VARIANTS[model.settings.network].step
    model.train()
    total = 0.0
    for batch in parts:
        loss = loss_of(model, learn, batch, step, noise)
        descent.step(loss)
        total += loss.item() * len(batch)
    return total / sum(map(len, parts))


def _report(number: int, epochs: int, epoch: Epoch) -> None:
    log_event(
        logger,
        "epoch",
        number=number,
        most=epochs,
        loss=epoch.loss,
        validation_loss=epoch.validation_loss,
    )
