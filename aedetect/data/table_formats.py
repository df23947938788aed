"""Folders that are tables with a log: the log, not the folder, decides which files and rows count.

The libraries of the formats are asked only for the live files of the current snapshot, and are
imported only when such a table is met. The files are then read like any others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aedetect.errors import NoData

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

DELTA, ICEBERG, HUDI = "Delta Lake", "Apache Iceberg", "Apache Hudi"
_SIGNS = {
    DELTA: r"(^|/)_delta_log/",
    ICEBERG: r"(^|/)metadata/[^/]*\.metadata\.json(\.gz)?$",
    HUDI: r"(^|/)\.hoodie/",
}
# Of any format, anywhere: a quick look at many paths, before each sign is looked for.
_ANY_SIGN = re.compile("_delta_log/|metadata/|.hoodie/")
EXPORT = "export its current snapshot to Parquet files, and point to those"


def table_format(fs: AbstractFileSystem, folder: str) -> str | None:
    """Return the format of the table that a folder is; None for a folder of plain files."""
    folder = folder.rstrip("/")
    for kind, log in ((DELTA, "_delta_log"), (HUDI, ".hoodie")):
        if fs.isdir(f"{folder}/{log}"):
            return kind
    metadata = f"{folder}/metadata"
    if fs.isdir(metadata) and any(map(is_metadata_file, fs.ls(metadata, detail=False))):
        return ICEBERG
    return None


def is_metadata_file(path: str) -> bool:
    """Whether a path is that of a version of an Iceberg table."""
    return re.search(_SIGNS[ICEBERG], path) is not None


def unreadable(reason: object) -> NoData:
    """Return the error of a table whose log cannot be read."""
    first = (str(reason).strip().splitlines() or [type(reason).__name__])[0].rstrip(". ")
    return NoData(f"its current snapshot cannot be read ({first}): restore it, or {EXPORT}")


def unsupported(what: str, remedy: str) -> NoData:
    """Return the error of a table that reads otherwise than the rows of its files."""
    return NoData(f"{what}: {remedy}, or {EXPORT}")


def check_no_table(paths: Iterable[str], root: str) -> None:
    """Raise NoData if a table is below a folder that is none itself."""
    suspect = (path for path in paths if _ANY_SIGN.search(path, len(root)))
    for path in suspect:
        for kind, sign in _SIGNS.items():
            if found := re.search(sign, path[len(root) :]):
                table = root + path[len(root) :][: found.start()]
                point = "" if kind == HUDI else "point to that folder itself, or "
                raise NoData(
                    f"{root} holds a table of {kind}, {table.rstrip('/')}, whose folder has rows "
                    f"that are no longer part of it: {point}{EXPORT}"
                )


def check_not_in_table(fs: AbstractFileSystem, folders: Iterable[str]) -> None:
    """Raise NoData if files would be taken from a table past its log: a part of it, or a pattern.

    On object storage, only these folders are looked at: those above may not be accessible.
    """
    above = _with_parents if "file" in fs.protocol else _alone
    for each in dict.fromkeys(path for folder in dict.fromkeys(folders) for path in above(folder)):
        try:
            kind = table_format(fs, each)
        except OSError:
            continue
        if kind is not None:
            raise NoData(
                f"{each} is a table of {kind}, whose log decides which of its rows count: "
                f"point to this folder, not to a part of it, or {EXPORT}"
            )


def _with_parents(folder: str) -> Iterator[str]:
    path = PurePosixPath(folder)
    yield from (str(each) for each in (path, *path.parents) if str(each) not in {"/", "."})


def _alone(folder: str) -> Iterator[str]:
    yield folder
