"""Cases for the checks of variants: untrained networks with matching windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from aedetect.models.base import Autoencoder
from aedetect.models.settings import BackboneName, ModelSettings, VariantName
from aedetect.preprocessing import Windows
from aedetect.training.fit import build_network

_ROWS = 300
_MISSING = 0.1  # of the cells
# backbone, rows of a window, features, columns of context
_SHAPES: tuple[tuple[BackboneName, int, int, int], ...] = (
    ("dense", 4, 1, 0),
    ("dense", 4, 5, 0),
    ("dense", 4, 1, 2),
    ("dense", 4, 5, 2),
    ("dense", 6, 1, 1),
    ("dense", 6, 5, 1),
    ("convolutional", 6, 1, 1),
    ("convolutional", 6, 5, 1),
)


@dataclass(frozen=True)
class VariantCase:
    """An untrained network of a variant, with matching windows. A check may train it."""

    settings: ModelSettings
    model: Autoencoder
    windows: Windows

    @property
    def name(self) -> str:
        """Variant, backbone, rows of a window, features and context: a name for a test."""
        features = self.windows.observed.shape[1]
        context = self.windows.matrix.shape[1] - features
        chosen = (self.settings.variant, self.settings.backbone)
        return "-".join(map(str, (*chosen, self.windows.length, features, context)))


def variant_cases(variant: str) -> Iterator[VariantCase]:
    """Yield a variant on each backbone, with one or several features, with and without context.

    Args:
        variant: A name in `aedetect.models.VARIANTS`.
    """
    for backbone, length, features, context in _SHAPES:
        settings = ModelSettings(variant=cast("VariantName", variant), backbone=backbone)
        windows = make_windows(features=features, context=context, length=length)
        yield VariantCase(settings, make_network_for(settings, windows), windows)


def make_windows(*, features: int, context: int, length: int, rows: int = _ROWS) -> Windows:
    """Make windows whose features follow one wave, with independent context columns.

    Some cells are not observed.
    """
    random = np.random.default_rng(0)
    wave = np.sin(np.arange(rows) / 5)[:, None] * np.linspace(1, 2, features)
    matrix = np.hstack([wave, np.zeros((rows, context))])
    matrix = matrix + random.normal(scale=0.1, size=matrix.shape)
    observed = random.random((rows, features)) > _MISSING
    return Windows(matrix.astype(np.float32), observed, np.arange(length - 1, rows), length)


def make_network_for(settings: ModelSettings, windows: Windows, *, seed: int = 0) -> Autoencoder:
    """Build an untrained network for the windows."""
    return build_network(
        settings,
        length=windows.length,
        inputs=windows.matrix.shape[1],
        outputs=windows.observed.shape[1],
        seed=seed,
    )


def window_values(windows: Windows, chosen: slice = slice(None)) -> Tensor:
    """Return windows as a tensor: (N, T, D + K)."""
    return torch.from_numpy(windows.take(chosen)[0])


def mean_squared_error(model: Autoencoder, windows: Windows) -> float:
    """Return the mean squared error over the observed cells, independently of the training loss."""
    values, observed = windows.take(slice(None))
    with torch.inference_mode():
        rebuilt = model(torch.from_numpy(values)).numpy()
    squared = np.square(rebuilt - values[:, :, : rebuilt.shape[2]], dtype=np.float64)
    return float(squared[observed].mean())
