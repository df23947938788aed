"""Which files of a folder are Parquet, by name or by their first bytes; why others are not read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SUFFIXES = (".parquet", ".pq", ".parq")
_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".inprogress", "~")
_CONVERTED = {
    **dict.fromkeys((".csv", ".tsv"), "CSV"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
}
_PARQUET = b"PAR1"
_OTHERS = {
    b"\x1f\x8b": "is compressed as a whole (gzip): decompress it",
    b"BZh": "is compressed as a whole (bzip2): decompress it",
    b"\x28\xb5\x2f\xfd": "is compressed as a whole (Zstandard): decompress it",
    b"\xfd7zX": "is compressed as a whole (xz): decompress it",
    b"PK\x03\x04": "is an archive (zip): unpack it",
    b"PARE": "is encrypted Parquet: write it without encryption",
}


def why_passed_over(
    fs: AbstractFileSystem,
    paths: Iterable[str],
    root: str,
    *,
    hidden: Callable[[str, str], bool],
) -> dict[str, str]:
    """Return the visible files below a folder that are not read, each with the reason."""
    visible = [path for path in paths if not hidden(path, root)]
    reasons = {path: _why_not(fs, path) for path in visible} | _second_names(fs, visible, root)
    return {path: reason for path, reason in reasons.items() if reason is not None}


def _second_names(fs: AbstractFileSystem, paths: list[str], root: str) -> dict[str, str]:
    """Return the links to files that are listed themselves: their rows would be read twice."""
    links = _links(paths) if "file" in fs.protocol else []
    own = {os.path.realpath(path): path for path in set(paths) - set(links)} if links else {}
    targets = {path: own.get(os.path.realpath(path)) for path in links}
    return {
        path: f"is a link to {target[len(root) :].lstrip('/')}, which is read itself"
        for path, target in targets.items()
        if target is not None
    }


def _links(paths: list[str]) -> list[str]:
    """Return the paths that are links. There may be thousands: a `Path` of each takes longer."""
    return [path for path in paths if os.path.islink(path)]  # noqa: PTH114


def _why_not(fs: AbstractFileSystem, path: str) -> str | None:
    """Return why a file is not read; None for Parquet. A suffix of Parquet is taken at its word."""
    name = path.lower()
    if name.endswith(SUFFIXES):
        return None
    try:
        if not fs.isfile(path):
            return "is no regular file (a pipe, a socket or a device)"
        start = fs.cat_file(path, start=0, end=4)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    if start == _PARQUET:
        return (
            "has a temporary name: rename it when it is whole"
            if name.endswith(_TEMPORARY)
            else None
        )
    if other := is_convertible(path):
        return other
    return next(
        (reason for magic, reason in _OTHERS.items() if start.startswith(magic)),
        "does not begin as Parquet does",
    )


def is_convertible(path: str) -> str | None:
    """Return what a table of another format is, and how it becomes Parquet; None for others.

    >>> is_convertible("in/pump1.csv.gz")
    'is CSV, not Parquet: `aedetect init in/pump1.csv.gz` converts it'
    """
    plain = path.lower().removesuffix(".gz")
    kind = next((kind for suffix, kind in _CONVERTED.items() if plain.endswith(suffix)), None)
    return kind and f"is {kind}, not Parquet: `aedetect init {path}` converts it"
