"""Time to equal validation loss: python benchmarks/training.py [--minutes 2880] [--repeat 3].

Windows of 16 rows and 20 columns, learnt by what `aedetect train` chooses from (`undercomplete`
and, in closed form, `linear`), by a plain loop over a DataLoader with the same undercomplete
network of PyTorch's own layers, the same batches and optimiser, at the optimiser's own rate and at
the largest of aedetect, and by PyOD's AutoEncoder as it comes (pip install pyod, or it is omitted).
aedetect has its default settings: its rate is not that of a short training. The loss is the mean
squared error of held-out windows; measuring it is not timed for the others. Each has all cores;
aedetect takes one thread. Medians of several runs, in turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from scoring import ENTITIES, FEATURES, table
from torch.utils.data import DataLoader, Dataset

from aedetect.models.base import Autoencoder
from aedetect.models.dense import Dense
from aedetect.models.settings import ModelSettings, VariantName
from aedetect.preprocessing import Windows
from aedetect.training.fit import build_network, train_network
from aedetect.training.loss import error_of
from aedetect.training.settings import TrainingSettings

LENGTH, EPOCHS = 16, 8
RATES = (1e-3, TrainingSettings().learning_rate)
Curve = list[tuple[float, float]]  # seconds, and validation loss by then


class Cut(Dataset[torch.Tensor]):
    """Windows, as a plain data set gives them: one at a time."""

    def __init__(self, windows: Windows) -> None:
        """Keep the windows."""
        self.windows = windows
        self.matrix = torch.from_numpy(windows.matrix)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def __getitem__(self, number: int) -> torch.Tensor:
        """Return one window."""
        end = int(self.windows.ends[number]) + 1
        return self.matrix[end - LENGTH : end]


def cut(minutes: int, seed: int) -> Windows:
    """Return the windows of all entities, of standardized columns."""
    rows = table(np.random.default_rng(seed), first="2026-01-01", minutes=minutes)
    cells = np.stack([rows[f"f{index}"].to_numpy() for index in range(FEATURES)], axis=1)
    matrix = cells.reshape(minutes, ENTITIES, FEATURES).transpose(1, 0, 2).reshape(-1, FEATURES)
    matrix = np.ascontiguousarray(matrix / matrix.std(axis=0), dtype=np.float32)
    ends = np.arange(len(matrix))
    ends = ends[ends % minutes >= LENGTH - 1]
    return Windows(matrix, np.ones(matrix.shape, dtype=np.bool_), ends, LENGTH)


def network(name: VariantName) -> Autoencoder:
    """Return a network of aedetect, untrained."""
    settings = ModelSettings(variant=name)
    return build_network(settings, length=LENGTH, inputs=FEATURES, outputs=FEATURES, seed=0)


class _Epochs(logging.Handler):
    """The validation loss after each epoch, with its time."""

    def __init__(self) -> None:
        super().__init__()
        self.curve: Curve = []
        self.begun = time.perf_counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an epoch."""
        seconds = time.perf_counter() - self.begun
        self.curve.append((seconds, record.__dict__["fields"]["validation_loss"]))


def ours(name: VariantName, learn: Windows, check: Windows) -> Curve:
    """Train as `aedetect train` does; measuring the loss counts."""
    heard, events = _Epochs(), logging.getLogger("aedetect.training.fit")
    events.addHandler(heard)
    events.setLevel(logging.INFO)
    heard.begun = time.perf_counter()
    train_network(network(name), learn, check, settings=TrainingSettings(device="cpu"))
    events.removeHandler(heard)
    return heard.curve


def of_torch(model: Dense) -> torch.nn.Module:
    """Return the network of PyTorch's own layers that has the same weights."""
    layers: list[torch.nn.Module] = [torch.nn.Flatten()]
    for each in (*model.encoder, *model.decoder, model.head):
        if isinstance(each, torch.nn.Linear):
            layers.append(torch.nn.Linear(each.in_features, each.out_features))
            layers[-1].weight, layers[-1].bias = each.weight, each.bias
        else:
            layers.append(each)
    return torch.nn.Sequential(*layers, torch.nn.Unflatten(1, (LENGTH, FEATURES)))


def plain(learn: Windows, check: Windows, rate: float) -> Curve:
    """Train by a loop over a DataLoader."""
    kept = network("undercomplete")
    assert isinstance(kept, Dense)
    model = of_torch(kept)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    spent, curve = 0.0, []
    for _ in range(EPOCHS):
        begun = time.perf_counter()
        model.train()
        for batch in DataLoader(Cut(learn), batch_size=256, shuffle=True):
            loss = torch.nn.functional.mse_loss(model(batch), batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        spent += time.perf_counter() - begun
        curve.append((spent, error_of(kept, check)))
    return curve


def pyod(learn: Windows, check: Windows) -> Curve:
    """Train PyOD's AutoEncoder, with its own network, batches and epochs."""
    from pyod.models.auto_encoder import AutoEncoder

    flat = [each.take(slice(None))[0].reshape(len(each), -1) for each in (learn, check)]
    fitted = AutoEncoder(preprocessing=False, verbose=0, device="cpu", random_state=0)
    begun = time.perf_counter()
    fitted.fit(flat[0])
    spent = time.perf_counter() - begun
    distance = np.asarray(fitted.decision_function(flat[1]))
    return [(spent, float(np.square(distance).mean() / flat[1].shape[1]))]


def reached(curve: Curve, loss: float) -> float:
    """Return the seconds after which a loss is reached; infinite if it never is."""
    return next((seconds for seconds, value in curve if value <= loss), np.inf)


def curves(learn: Windows, check: Windows) -> Iterator[tuple[str, Curve]]:
    """Train each once."""
    yield "aedetect, undercomplete", ours("undercomplete", learn, check)
    yield "aedetect, linear", ours("linear", learn, check)
    for rate in RATES:
        yield f"DataLoader, rate {rate:g}", plain(learn, check, rate)
    if importlib.util.find_spec("pyod") is not None:
        yield "PyOD AutoEncoder", pyod(learn, check)


def main() -> None:
    """Print the loss of each peer, and how long everyone takes to reach it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=2880, help="of each of 40 entities")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    learn, check = cut(asked.minutes, 0), cut(max(asked.minutes // 6, LENGTH), 1)
    print(f"{len(learn):,} windows learnt, {len(check):,} held out")
    runs = [dict(curves(learn, check)) for _ in range(asked.repeat)]
    for peer in [name for name in runs[0] if not name.startswith("aedetect")]:
        loss = statistics.median(min(value for _, value in run[peer]) for run in runs)
        print(f"until the loss that {peer} reaches, {loss:.4f}:")
        for name in runs[0]:
            seconds = statistics.median(reached(run[name], loss * 1.001) for run in runs)
            print(f"  {name:26} {seconds:8.2f} s")


if __name__ == "__main__":
    main()
