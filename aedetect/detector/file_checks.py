"""Check the files of a model before they are read: their origin is not trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_DTYPE = "F32"


def check_files(folder: Path) -> None:
    """Raise ValueError if a folder contains other than plain files, or links out of it.

    Some stores keep files as links inside the folder; links out of it would read other data. Pipes
    and devices would block a reader, or never end.
    """
    root = folder.resolve()
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            place = path.resolve()
            if not place.is_relative_to(root):
                raise ValueError(f"{path.name} is a link that leads out of the folder")
            if place.exists() and not _is_plain(place.stat().st_mode):
                raise ValueError(f"{path.name} is neither a file nor a folder")


def check_weights(path: Path, network: nn.Module) -> None:
    """Raise ValueError if a file does not contain the weights of a network given as an outline.

    The outline has its tensors on the device "meta", where sizes cost no memory: forged sizes are
    detected before memory is allocated.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as weights:
            slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
            found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
    except SafetensorError as error:  # a direct subclass of Exception
        raise ValueError(f"{path.name}: {error}") from error
    needed = {name: (tuple(each.shape), _DTYPE) for name, each in network.state_dict().items()}
    for name in needed.keys() | found.keys():
        if needed.get(name) != found.get(name):
            raise ValueError(
                f"{path.name}: {name} does not fit: {found.get(name)} instead of {needed.get(name)}"
            )


def _is_plain(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
