"""List the files below a folder, and the folders that cannot be listed (not treated as empty)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_OF_THE_DISK = "lost+found"  # kept by the file system, and not listable


def list_below(
    fs: AbstractFileSystem, root: str, *, depth: int | None = None
) -> tuple[list[str], list[str]]:
    """List the files below a folder, and the folders below it that cannot be listed, in order.

    These are folders without permission, on a failing disk, and links with a missing target. Links
    to folders are followed, after the folders themselves: what was listed is not listed again, so
    that neither a cycle nor a second name repeats rows. `depth` limits the number of levels. Object
    storage has no folders, and fails as a whole.
    """
    from fsspec import AbstractFileSystem

    if type(fs).find is not AbstractFileSystem.find:
        return sorted(fs.find(root, maxdepth=depth)), []
    files: list[str] = []
    unlisted: list[str] = []
    waiting: list[tuple[str, int]] = [(root, 1)]
    links: list[tuple[str, int]] = []
    listed: set[str] = set()
    while waiting or links:
        waiting = waiting or [links.pop(links.index(min(links)))]  # the same order everywhere
        folder, level = waiting.pop()
        if (real := _real(fs, folder)) in listed:
            continue
        listed.add(real)
        try:
            entries = fs.ls(folder, detail=True)
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError:
            unlisted.append(folder)
            continue
        for entry in entries:
            path, is_link = entry["name"].rstrip("/"), bool(entry.get("islink"))
            if is_link and not fs.exists(path):
                unlisted.append(path)
            if not fs.isdir(path) if is_link else entry["type"] != "directory":
                files.append(path)
            elif path != folder.rstrip("/") and (depth is None or level < depth):
                (links if is_link else waiting).append((path, level + 1))
    return sorted(files), sorted(path for path in unlisted if not path.endswith(_OF_THE_DISK))


def why_unlisted(fs: AbstractFileSystem, folder: str) -> str:
    """Return why a folder cannot be listed; meanwhile it may be listable again."""
    try:
        fs.ls(folder, detail=True)
    except OSError as error:
        return error.strerror or str(error)
    return "it was not there for a moment"


def unseen_names(names: Iterable[str], aside: Iterable[str]) -> set[str]:
    """Return the files that may exist unseen: quarantined, or below a quarantined folder.

    A name may be prefixed by the number of its location.

    >>> sorted(unseen_names(["1/north/d.pq", "norths/d.pq", "e.pq"], ["north/", "e.pq"]))
    ['1/north/d.pq', 'e.pq']
    """
    places = {each.rstrip("/") for each in aside}
    return {name for name in names if places and not places.isdisjoint(_with_folders(name))}


def _with_folders(name: str) -> set[str]:
    parts = name.split("/")
    places = {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    if parts[0].isdecimal():
        places |= {"/".join(parts[1:end]) for end in range(2, len(parts) + 1)}
    return places


def _real(fs: AbstractFileSystem, folder: str) -> str:
    """Return the one path of a folder that may have several names."""
    return os.path.realpath(folder) if "file" in fs.protocol else folder.rstrip("/")
