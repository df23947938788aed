"""What a saved detector expects by: networks, corrections and typical shapes, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Le

from aedetect.calibration.serialization import checked
from aedetect.detector.corrections import Corrections
from aedetect.detector.file_checks import check_weights
from aedetect.detector.shapes import LENGTHS, ShapeBank, Shapes
from aedetect.models.settings import ModelSettings, Sizes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from aedetect.arrays import Float32
    from aedetect.models.base import Autoencoder

Size = Annotated[int, Ge(0), Le(100_000_000)]
Weight = Annotated[float, Ge(0), Le(1_000)]
_ARRAYS, _MAPS, _SHAPES = "arrays", "maps", "shapes"


@dataclass(frozen=True)
class Networks:
    """What says what is normal of windows: see the fields of `Scorer`."""

    model: Autoencoder
    long: Autoencoder | None = None
    corrections: Corrections | None = None
    shapes: Shapes | None = None

    @property
    def arrays(self) -> dict[str, Float32]:
        """Return what is no network, by name."""
        found = {} if self.corrections is None else {_MAPS: self.corrections.maps}
        for number, bank in enumerate(() if self.shapes is None else self.shapes.banks):
            if bank is not None:
                found |= {f"{_SHAPES}{number}_{name}": each for name, each in vars(bank).items()}
        return {name: array for name, array in found.items() if array.size}

    def write(self, path: Path) -> None:
        """Write the weights and arrays."""
        import torch
        from safetensors.torch import save_file

        arrays = self.arrays
        together = _together(self.model, self.long, {n: a.shape for n, a in arrays.items()})
        for name, array in arrays.items():
            together.get_parameter(f"{_ARRAYS}.{name}").data = torch.from_numpy(array)
        save_file(together.state_dict(), path)

    def described(self) -> dict[str, Any]:
        """Return settings and sizes as JSON-compatible values."""
        arrays = {name: list(array.shape) for name, array in self.arrays.items()}
        return {
            "model": describe_network(self.model),
            "long": self.long and describe_network(self.long),
            "corrected": self.corrections and self.corrections.place.tolist(),
            "shapes": self.shapes and self.shapes.weight,
            "arrays": arrays,
        }


def describe_network(model: Autoencoder) -> dict[str, Any]:
    """Return settings and sizes as JSON-compatible values."""
    return asdict(model.settings) | {"sizes": asdict(model.sizes)}


def read_networks(path: Path, described: Mapping[str, Any]) -> Networks:
    """Read the weights and arrays that are described. Raises ValueError when they do not fit."""
    import torch
    from safetensors.torch import load_file

    sizes = checked(dict[str, tuple[Size, ...]], described["arrays"])
    long = described["long"]
    with torch.device("meta"):
        other = None if long is None else _made(long)
        check_weights(path, _together(_made(described["model"]), other, sizes))
    model, other = _made(described["model"]), None if long is None else _made(long)
    state = load_file(path)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name}: {name} must be finite")
    together = _together(model, other, sizes)
    together.load_state_dict(state)
    arrays = {name: together.get_parameter(f"{_ARRAYS}.{name}").detach().numpy() for name in sizes}
    return Networks(
        model=model.eval(),
        long=other.eval() if other else None,
        corrections=_corrections(described["corrected"], arrays, model.sizes.outputs),
        shapes=_shapes(described["shapes"], arrays),
    )


def _corrections(
    corrected: Sequence[int] | None, arrays: Mapping[str, Float32], columns: int
) -> Corrections | None:
    """Return the corrections by entity; None where a detector has none."""
    if corrected is None:
        return None
    place = np.array(checked(tuple[int, ...], tuple(corrected)), dtype=np.int64)
    none = Corrections.none(entities=len(place) - 1, columns=columns)
    return Corrections(place, arrays.get(_MAPS, none.maps))


def _shapes(weight: float | None, arrays: Mapping[str, Float32]) -> Shapes | None:
    """Return the typical shapes; None where a detector has none."""
    if weight is None:
        return None
    banks: list[ShapeBank | None] = []
    for number in range(LENGTHS):
        start = f"{_SHAPES}{number}_"
        found = {name.removeprefix(start): a for name, a in arrays.items() if start in name}
        banks.append(ShapeBank(**found) if found else None)
    return Shapes(checked(Weight, weight), tuple(banks))


def _made(described: Mapping[str, Any]) -> Autoencoder:
    """Build a network of arbitrary weights."""
    from aedetect.models.variants import make_network

    options = {name: value for name, value in described.items() if name != "sizes"}
    return make_network(checked(ModelSettings, options), checked(Sizes, described["sizes"]))


def _together(
    model: Autoencoder, long: Autoencoder | None, arrays: Mapping[str, tuple[int, ...]]
) -> nn.ModuleDict:
    """Return both networks, and arrays of some sizes, as one for one file."""
    import torch
    from torch import nn

    parts: dict[str, nn.Module] = {"model": model}
    if long is not None:
        parts["long"] = long
    if arrays:
        parts[_ARRAYS] = nn.Module()
        for name, size in arrays.items():
            parts[_ARRAYS].register_parameter(
                name, nn.Parameter(torch.empty(size), requires_grad=False)
            )
    return nn.ModuleDict(parts)
