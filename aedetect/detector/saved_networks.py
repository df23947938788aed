"""The networks of a saved detector: the one that was trained, and that of long windows if any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aedetect.calibration.serialization import checked
from aedetect.detector.file_checks import check_weights
from aedetect.models.settings import ModelSettings, Sizes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from aedetect.models.base import Autoencoder


def write_networks(path: Path, model: Autoencoder, long: Autoencoder | None) -> None:
    """Write the weights."""
    from safetensors.torch import save_file

    save_file(_together(model, long).state_dict(), path)


def describe_network(model: Autoencoder) -> dict[str, Any]:
    """Return settings and sizes as JSON-compatible values."""
    return asdict(model.settings) | {"sizes": asdict(model.sizes)}


def read_networks(
    path: Path, described: Mapping[str, Any], long: Mapping[str, Any] | None
) -> tuple[Autoencoder, Autoencoder | None]:
    """Read the weights of described networks. Raises ValueError when they do not fit."""
    import torch
    from safetensors.torch import load_file

    with torch.device("meta"):
        check_weights(path, _together(_made(described), None if long is None else _made(long)))
    model, other = _made(described), None if long is None else _made(long)
    state = load_file(path)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name}: {name} must be finite")
    _together(model, other).load_state_dict(state)
    return model.eval(), other.eval() if other else None


def _made(described: Mapping[str, Any]) -> Autoencoder:
    """Build a network of arbitrary weights."""
    from aedetect.models.variants import make_network

    options = {name: value for name, value in described.items() if name != "sizes"}
    return make_network(checked(ModelSettings, options), checked(Sizes, described["sizes"]))


def _together(model: Autoencoder, long: Autoencoder | None) -> nn.ModuleDict:
    from torch import nn

    return nn.ModuleDict({"model": model} | ({"long": long} if long else {}))
