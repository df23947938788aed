"""Checks on a model's files before they are read: anyone may have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_DTYPE = "F32"


def check_files(folder: Path) -> None:
    """Raise ValueError when anything in a folder is no plain file, or is a link out of it.

    Links inside are how some stores keep files; those that lead out read what is not the model's.
    Pipes and devices would keep a reader waiting or fed for ever.
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
    """Raise ValueError when a file does not hold the weights of a network that is an outline.

    The outline has its tensors on the device "meta", where sizes cost nothing: so sizes that
    someone made up are found out before memory is asked for.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as weights:
            slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
            found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
    except SafetensorError as error:  # no relative of any other error
        raise ValueError(f"{path.name}: {error}") from error
    needed = {name: (tuple(each.shape), _DTYPE) for name, each in network.state_dict().items()}
    for name in needed.keys() | found.keys():
        if needed.get(name) != found.get(name):
            raise ValueError(
                f"{path.name}: {name} does not fit: {found.get(name)} instead of {needed.get(name)}"
            )


def _is_plain(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
