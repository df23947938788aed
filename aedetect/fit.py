"""The training loop: seed, early stop, best weights, progress."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt

from aedetect.errors import TooFewRows
from aedetect.logs import log_event
from aedetect.models.settings import ModelSettings, derive_sizes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from aedetect.models.base import Autoencoder
    from aedetect.window import Windows

logger = logging.getLogger(__name__)

EPOCH_WINDOWS = 100_000  # at most, drawn anew each epoch: neighbours hardly differ
CHECK_WINDOWS = 50_000  # at most, evenly spread, that validation looks at
MOMENT_WINDOWS = 200_000  # at most, evenly spread, that the closed form looks at
_CHUNK = 4_096  # windows held at a time when nothing is learnt


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long and how fast to learn: `[training]`."""

    epochs: Annotated[int, Ge(1)] | None = None  # at most; None: 20, more when rows are few
    batch_size: Annotated[int, Ge(1)] = 256  # windows
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    patience: Annotated[int, Ge(1)] = 4  # epochs without a better validation loss before stopping
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch: mean squared error over the observed cells."""

    loss: float
    validation: float


@dataclass(frozen=True)
class Fitted:
    """The network with its best weights, and how it got there."""

    model: Autoencoder
    epochs: tuple[Epoch, ...]


def build(
    settings: ModelSettings, *, length: int, inputs: int, outputs: int, seed: int
) -> Autoencoder:
    """Build an untrained network whose first weights depend on the seed alone."""
    import torch

    from aedetect.models.variants import VARIANTS

    sizes = derive_sizes(settings, length=length, inputs=inputs, outputs=outputs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VARIANTS[settings.variant](sizes, settings.activation)


def fit(
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
        model.solve(*_moments(learn.thin(MOMENT_WINDOWS), columns=model.sizes.outputs))
        epoch = Epoch(_error(model, learn.thin(CHECK_WINDOWS)), _error(model, check))
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
    generator = np.random.default_rng(settings.seed)
    best, best_weights, waited = math.inf, deepcopy(model.state_dict()), 0
    most = most_epochs(settings, len(learn))
    for number in range(1, most + 1):
        loss = _run_epoch(model, learn, optimizer, generator, settings.batch_size)
        epoch = Epoch(loss, _error(model, check))
        _report(number, most, epoch)
        yield epoch
        waited += 1
        if epoch.validation < best:
            best, best_weights, waited = epoch.validation, deepcopy(model.state_dict()), 0
        if waited >= settings.patience:
            break
    model.load_state_dict(best_weights)


def _run_epoch(
    model: Autoencoder,
    learn: Windows,
    optimizer: torch.optim.Optimizer,
    generator: np.random.Generator,
    batch_size: int,
) -> float:
    """Take one step a batch; return the mean loss."""
    import torch

    model.train()
    order = generator.permutation(len(learn))[:EPOCH_WINDOWS]
    total = 0.0
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        loss = _loss(model, learn, batch)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(order)


def _error(model: Autoencoder, windows: Windows) -> float:
    """Return the mean loss over windows, without learning from them."""
    import torch

    model.eval()
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(windows), _CHUNK):
            chosen = np.arange(start, min(start + _CHUNK, len(windows)))
            total += _loss(model, windows, chosen).item() * len(chosen)
    return total / len(windows)


def _loss(
    model: Autoencoder, windows: Windows, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Tensor:
    """Mean squared error of the reconstruction over the cells that were observed."""
    import torch

    device = next(model.parameters()).device
    values, observed = (torch.from_numpy(part).to(device) for part in windows.take(chosen))
    squared = (model(values) - values[:, :, : model.sizes.outputs]).square() * observed
    loss: Tensor = squared.sum() / observed.sum().clamp(min=1)
    return loss


def _moments(windows: Windows, *, columns: int) -> tuple[Tensor, Tensor]:
    """Return mean (T D,) and covariance (T D, T D) of the windows' first columns."""
    import torch

    cells = windows.length * columns
    total = torch.zeros(cells, dtype=torch.float64)
    products = torch.zeros(cells, cells, dtype=torch.float64)
    for start in range(0, len(windows), _CHUNK):
        values, _ = windows.take(slice(start, start + _CHUNK))
        flat = torch.from_numpy(values[:, :, :columns]).flatten(1).double()
        total += flat.sum(0)
        products += flat.T @ flat
    mean = total / len(windows)
    return mean, products / len(windows) - torch.outer(mean, mean)


def _report(number: int, epochs: int, epoch: Epoch) -> None:
    log_event(
        logger, "epoch", number=number, most=epochs, loss=epoch.loss, validation=epoch.validation
    )
