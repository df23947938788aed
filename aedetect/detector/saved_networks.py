"""What a saved detector expects by: the network, that of long windows, and corrections if any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from aedetect.calibration.serialization import checked
from aedetect.detector.corrections import Corrections
from aedetect.detector.file_checks import check_weights
from aedetect.models.settings import ModelSettings, Sizes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from aedetect.models.base import Autoencoder


def write_networks(
    path: Path, model: Autoencoder, long: Autoencoder | None, corrections: Corrections | None
) -> None:
    """Write the weights."""
    import torch
    from safetensors.torch import save_file

    together = _together(model, long, 0 if corrections is None else len(corrections.maps))
    if corrections is not None and len(corrections.maps):
        together.get_parameter(_MAPS).data = torch.from_numpy(corrections.maps)
    save_file(together.state_dict(), path)


def describe_network(model: Autoencoder) -> dict[str, Any]:
    """Return settings and sizes as JSON-compatible values."""
    return asdict(model.settings) | {"sizes": asdict(model.sizes)}


def read_networks(
    path: Path,
    described: Mapping[str, Any],
    long: Mapping[str, Any] | None,
    corrected: Sequence[int] | None,
) -> tuple[Autoencoder, Autoencoder | None, Corrections | None]:
    """Read the weights of described networks. Raises ValueError when they do not fit."""
    import torch
    from safetensors.torch import load_file

    place = None if corrected is None else np.array(checked(tuple[int, ...], tuple(corrected)))
    count = 0 if place is None or not len(place) else int(place.max()) + 1
    with torch.device("meta"):
        outline = _together(_made(described), None if long is None else _made(long), count)
        check_weights(path, outline)
    model, other = _made(described), None if long is None else _made(long)
    state = load_file(path)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name}: {name} must be finite")
    together = _together(model, other, count)
    together.load_state_dict(state)
    corrections = None
    if place is not None:
        maps = together.get_parameter(_MAPS).detach().numpy() if count else None
        none = Corrections.none(entities=len(place) - 1, columns=model.sizes.outputs)
        corrections = Corrections(place, none.maps if maps is None else maps)
    return model.eval(), other.eval() if other else None, corrections


_MAPS = "corrections.maps"


def _made(described: Mapping[str, Any]) -> Autoencoder:
    """Build a network of arbitrary weights."""
    from aedetect.models.variants import make_network

    options = {name: value for name, value in described.items() if name != "sizes"}
    return make_network(checked(ModelSettings, options), checked(Sizes, described["sizes"]))


def _together(model: Autoencoder, long: Autoencoder | None, maps: int) -> nn.ModuleDict:
    """Return both networks and the maps of so many entities as one, for one file."""
    import torch
    from torch import nn

    parts: dict[str, nn.Module] = {"model": model}
    if long is not None:
        parts["long"] = long
    if maps:
        columns = model.sizes.outputs
        shape = (maps, columns + 1, columns)
        parts["corrections"] = nn.Module()
        parts["corrections"].register_parameter(
            "maps", nn.Parameter(torch.empty(shape), requires_grad=False)
        )
    return nn.ModuleDict(parts)
