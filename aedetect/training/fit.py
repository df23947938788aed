"""The training loop: seed, early stop, best weights, progress."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.errors import TooFewRows
from aedetect.logs import log_event
from aedetect.models.settings import ModelSettings
from aedetect.models.sizing import derive_sizes
from aedetect.training.loss import batches, error_of, loss_of, moments, noise_for, objective_of
from aedetect.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

    from aedetect.arrays import Int64
    from aedetect.models.base import Autoencoder
    from aedetect.preprocessing import Windows

logger = logging.getLogger(__name__)

EPOCH_WINDOWS = 100_000  # at most, drawn anew each epoch: neighbours hardly differ
CHECK_WINDOWS = 50_000  # at most, evenly spread, that validation looks at
MOMENT_WINDOWS = 200_000  # at most, evenly spread, that the closed form looks at
_TURN = threading.Lock()  # torch's generator, which first weights are drawn from, is process-wide
_HELD_BY_CODE = ("undercomplete", "linear")  # nothing but a narrow code keeps them from copying


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch."""

    loss: float  # what training lowers: mean squared error, and the regulariser per cell
    validation: float  # mean squared error alone of clean windows, over the observed cells
    objective: float  # as `loss`, on the windows to validate on; the lowest one stops training


@dataclass(frozen=True)
class Fitted:
    """The network with its best weights, and how it got there."""

    model: Autoencoder
    epochs: tuple[Epoch, ...]


def build_network(
    settings: ModelSettings, *, length: int, inputs: int, outputs: int, seed: int
) -> Autoencoder:
    """Build an untrained network whose first weights depend on the seed alone.

    Raises ConfigError when the backbone cannot work on windows so short.
    """
    import torch

    from aedetect.models.variants import make_network

    sizes = derive_sizes(settings, length=length, inputs=inputs, outputs=outputs)
    if settings.variant in _HELD_BY_CODE and sizes.latent >= sizes.cells:
        text = (
            f"a code of {sizes.latent} numbers is as wide as the window's {sizes.cells} cells: "
            f"{settings.variant} can copy anomalies too; lower [model] latent, raise [window] "
            "length, or take a variant that a penalty or noise holds back"
        )
        log_event(logger, "note", text=text)
    with _TURN, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_network(settings, sizes)


def train_network(
    model: Autoencoder, learn: Windows, validate: Windows, *, settings: TrainingSettings
) -> Fitted:
    """Train a network; return it with the weights of its best epoch, on the CPU.

    Raises TooFewRows when there is no window to learn from or none to validate on.
    """
    for windows, purpose in ((learn, "learn from"), (validate, "validate on")):
        if not len(windows):
            raise TooFewRows(
                f"at least one window of {windows.length} rows is needed to {purpose}, got none: "
                "give more rows, or lower [window] length, or raise [data] max_gap"
            )
    check = validate.thin(CHECK_WINDOWS)
    if model.closed_form:
        model.solve(*moments(learn.thin(MOMENT_WINDOWS), columns=model.sizes.outputs))
        error = error_of(model, check)
        epoch = Epoch(error_of(model, learn.thin(CHECK_WINDOWS)), error, error)
        _report(1, 1, epoch)
        return Fitted(model.eval(), (epoch,))
    device = choose_device(settings.device)
    history = tuple(_descend(model.to(device), learn, check, settings))
    return Fitted(model.to("cpu").eval(), history)


def choose_device(name: str) -> str:
    """Return the device to train on; "auto" is the best there is."""
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


def most_epochs(settings: TrainingSettings, windows: int) -> int:
    """Return the epochs to stop at: as set, else 20 and at least 4,000 steps, but at most 200.

    >>> most_epochs(TrainingSettings(), 100_000), most_epochs(TrainingSettings(), 1_000)
    (20, 200)
    """
    if settings.epochs is not None:
        return settings.epochs
    steps = -(-min(windows, EPOCH_WINDOWS) // settings.batch_size)
    return min(200, max(20, 4_000 // steps))


def _descend(
    model: Autoencoder, learn: Windows, check: Windows, settings: TrainingSettings
) -> Iterator[Epoch]:
    """Yield each epoch's losses; leave the best weights in the model at the end."""
    import torch

    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    order = np.random.default_rng(settings.seed)
    noise = noise_for(model, settings.seed)
    best, best_weights, waited = math.inf, deepcopy(model.state_dict()), 0
    most = most_epochs(settings, len(learn))
    for number in range(1, most + 1):
        parts = batches(order.permutation(len(learn))[:EPOCH_WINDOWS], settings.batch_size)
        loss = _run_epoch(model, learn, parts, optimizer, noise)
        error = error_of(model, check)
        epoch = Epoch(loss, error, objective_of(model, check, error=error, seed=settings.seed))
        _report(number, most, epoch)
        yield epoch
        waited += 1
        if epoch.objective < best:
            best, best_weights, waited = epoch.objective, deepcopy(model.state_dict()), 0
        if waited >= settings.patience:
            break
    model.load_state_dict(best_weights)


def _run_epoch(
    model: Autoencoder,
    learn: Windows,
    parts: list[Int64],
    optimizer: torch.optim.Optimizer,
    noise: torch.Generator,
) -> float:
    """Take one step a batch; return the mean loss."""
    import torch

    from aedetect.models import VARIANTS

    step = VARIANTS[model.settings.variant].step
    model.train()
    total = 0.0
    for batch in parts:
        loss = loss_of(model, learn, batch, step, noise)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        total += loss.item() * len(batch)
    return total / sum(map(len, parts))


def _report(number: int, epochs: int, epoch: Epoch) -> None:
    log_event(
        logger, "epoch", number=number, most=epochs, loss=epoch.loss, validation=epoch.validation
    )
