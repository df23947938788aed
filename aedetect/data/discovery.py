"""Where input files are: folders, globs, files and URLs -> the Parquet files they stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import fsspec

from aedetect.errors import NoData

SUFFIXES = (".parquet", ".pq", ".parq")
_MAGIC = "*?["


def locate_sources(locations: Iterable[str]) -> list[tuple[str, str]]:
    """List (path, name) of the Parquet files at all locations, each file once, each name once.

    A name that files of several locations have gets the number of its location in front.
    """
    by_path: dict[str, tuple[int, str]] = {}
    for at, location in enumerate(locations):
        for path, name in locate_files(location):
            by_path.setdefault(path, (at, name))
    uses = Counter(name for _, name in by_path.values())
    return [
        (path, name if uses[name] == 1 else f"{at}/{name}") for path, (at, name) in by_path.items()
    ]


def locate_files(location: str) -> Iterator[tuple[str, str]]:
    """Yield (path, name) of the Parquet files at a location, in the order of their names.

    Raises NoData when it does not exist or holds none.
    """
    fs, root = fsspec.url_to_fs(location)
    fs.invalidate_cache()  # a process that lives long must see what arrived since
    if any(sign in location for sign in _MAGIC):
        base = _fixed_part(root)
        paths = sorted(path for path in fs.glob(root) if fs.isfile(path))
    elif fs.isdir(root):
        base, paths = root, sorted(path for path in fs.find(root) if _is_parquet(path, root))
    elif fs.isfile(root):
        base, paths = str(PurePosixPath(root).parent), [root]
    else:
        raise NoData(f"no such file or folder: {location}: check the path in the configuration")
    if not paths:
        raise NoData(
            f"no Parquet file ({', '.join(SUFFIXES)}) in {location}: point to where they are"
        )
    for path in paths:
        yield _openable(fs, path), path[len(base) :].lstrip("/")


def _fixed_part(pattern: str) -> str:
    """Return the folder of a glob pattern that holds no wildcard.

    >>> _fixed_part("/data/2026-*/x.parquet")
    '/data'
    """
    fixed: list[str] = []
    for part in PurePosixPath(pattern).parts[:-1]:
        if any(sign in part for sign in _MAGIC):
            break
        fixed.append(part)
    return str(PurePosixPath(*fixed))


def _is_parquet(path: str, root: str) -> bool:
    """Whether a path is a Parquet file outside hidden or underscored folders."""
    parts = PurePosixPath(path[len(root) :]).parts
    return path.endswith(SUFFIXES) and not any(part.startswith((".", "_")) for part in parts)


def _openable(fs: fsspec.AbstractFileSystem, path: str) -> str:
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return path if protocol in {"file", "local"} else str(fs.unstrip_protocol(path))
