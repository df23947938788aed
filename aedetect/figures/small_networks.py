"""Small networks for figures: windows of one row, trained in seconds, always on the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.models.settings import ModelSettings, VariantName
from aedetect.models.threads import one_thread
from aedetect.preprocessing import Windows
from aedetect.training import train_network
from aedetect.training.fit import build_network
from aedetect.training.settings import TrainingSettings

if TYPE_CHECKING:
    from aedetect.arrays import Float32
    from aedetect.models.base import Autoencoder

ROWS = 4_000  # training rows of a figure, at most, evenly spaced
_TRAINING = TrainingSettings(
    epochs=80, batch_size=128, learning_rate=3e-3, patience=10, device="cpu"
)


def train_small(
    variant: VariantName, learn: Windows, validate: Windows, *, seed: int, **settings: Any
) -> Autoencoder:
    """Train a variant on windows of one row; settings are those of `[model]`."""
    model = build_network(
        ModelSettings(variant=variant, **settings),
        length=1,
        inputs=learn.matrix.shape[1],
        outputs=learn.observed.shape[1],
        seed=seed,
    )
    training = replace(_TRAINING, seed=seed)
    with one_thread():  # networks so small train ten times slower on several that are busy
        return train_network(model, learn.thin(ROWS), validate.thin(ROWS), settings=training).model


def as_windows(points: Float32) -> Windows:
    """Convert points to windows of one row, all cells observed: (N, D)."""
    matrix = np.ascontiguousarray(points, dtype=np.float32)
    return Windows(matrix, np.ones(matrix.shape, dtype=bool), np.arange(len(matrix)), 1)


def encode_windows(model: Autoencoder, points: Float32) -> Float32:
    """(N, D + K) -> (N, C)."""
    import torch

    with torch.inference_mode():
        return np.asarray(model.encode(torch.from_numpy(points).unsqueeze(1)).numpy())


def decode_windows(model: Autoencoder, latent: Float32) -> Float32:
    """(N, C) -> (N, D)."""
    import torch

    with torch.inference_mode():
        return np.asarray(model.decode_last(torch.from_numpy(latent)).numpy())


def reconstruct_windows(model: Autoencoder, points: Float32) -> Float32:
    """Return the reconstructions of points: (N, D + K) -> (N, D)."""
    return decode_windows(model, encode_windows(model, points))
