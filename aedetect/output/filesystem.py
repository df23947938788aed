"""The location of output: a local folder, or object storage that is used like one.

Object storage has no rename and needs none: an object appears when its upload is complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

from aedetect.errors import ConfigError, OutputError

_T = TypeVar("_T")
_R = TypeVar("_R")
_PARQUET = ".parquet"
_THREADS, _FEWEST = 2, 16  # that read files on disk, and files that are worth another thread
_EXTRAS = {"s3": "s3", "s3a": "s3"}  # protocol -> extra of aedetect that supports it


def output_path(location: str) -> Path:
    """Return a folder, given its path or its URL such as "s3://bucket/verdicts".

    Credentials and endpoint are read from the standard settings of the storage, such as
    AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL. Raises ConfigError if no installed package supports the
    protocol.
    """
    protocol = location.split("://", 1)[0] if "://" in location else "file"
    if protocol == "file":
        # "#" and "?" are part of a file's name.
        _, is_url, rest = location.partition("://")
        return Path("/" + rest.partition("/")[2] if is_url else location)
    from upath import UPath

    try:
        path = UPath(location)
        _ = path.fs  # imports the package of the protocol
    except (ImportError, ValueError) as error:
        extra = _EXTRAS.get(protocol)
        remedy = f"pip install 'aedetect[{extra}]'" if extra else "install its fsspec package"
        raise ConfigError(
            f'no installed package supports "{protocol}://" ({error}): {remedy}, or choose another '
            "location"
        ) from error
    return cast("Path", path)  # has the interface of Path, and is no subclass


def is_remote(path: Path) -> bool:
    """Whether a path is on object storage."""
    return hasattr(path, "fs")


def parquet_files(folder: Path, wanted: Callable[[str], bool] | None = None) -> list[Path]:
    """List the Parquet files in a folder and below it, sorted; none if there is no folder.

    Folders in it whose names are not wanted may be left out; on object storage they are not.

    Not `Path.rglob`: on object storage it interprets special characters in the folder's own name as
    a pattern, and on disk it skips unreadable folders. Raises OutputError for an unreadable folder.
    """
    if not is_remote(folder):
        found: list[str] = []
        for at, folders, names in os.walk(folder, onerror=_refuse_unlisted):
            if wanted is not None:
                folders[:] = filter(wanted, folders)
                wanted = None  # all that is below
            found += [f"{at}/{name}" for name in names if name.endswith(_PARQUET)]
        return [Path(each) for each in sorted(found, key=lambda path: path.split("/"))]
    fs, root = folder.fs, folder.path.rstrip("/")  # type: ignore[attr-defined]
    listed = [path for path in fs.find(root) if path.endswith(_PARQUET)]
    return sorted((folder / path[len(root) :].lstrip("/") for path in listed), key=str)


def newest_folders(folder: Path) -> list[str]:
    """List the folders in one of this machine by name, the last first; none if there is none."""
    _, folders, _ = next(os.walk(folder, onerror=_refuse_unlisted), ("", [], []))
    return sorted(folders, reverse=True)


def _refuse_unlisted(error: OSError) -> None:
    """Raise OutputError for an existing folder that cannot be listed."""
    if not isinstance(error, FileNotFoundError):
        raise OutputError(
            f"{error.filename} cannot be listed ({error.strerror}): grant access and run again"
        ) from error


def open_input(path: Path) -> Any:
    """Open a file to be read by Arrow, which reads one on disk without Python."""
    if is_remote(path):
        return path.open("rb")
    import pyarrow as pa

    return pa.OSFile(str(path), "rb")


def map_files(work: Callable[[_T], _R], items: Sequence[_T], output: Path) -> list[_R]:
    """Do work on small files of an output; several at a time where each has to be waited for."""
    if is_remote(output):
        with ThreadPoolExecutor(max_workers=16) as pool:
            return list(pool.map(work, items))
    size = max(-(-len(items) // _THREADS), _FEWEST)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    if len(parts) <= 1:
        return list(map(work, items))
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        done = pool.map(lambda part: list(map(work, part)), parts)
        return [each for part in done for each in part]


def upload(source: Path, target: Path) -> None:
    """Upload a local file to object storage, atomically."""
    fs = target.fs  # type: ignore[attr-defined]
    fs.put_file(str(source), target.path)  # type: ignore[attr-defined]


def forget_listings(path: Path) -> None:
    """Clear cached listings of a folder, to which others may have written since."""
    if is_remote(path):
        path.fs.invalidate_cache()  # type: ignore[attr-defined]
