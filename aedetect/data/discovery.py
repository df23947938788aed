"""Find input files: folders, globs, files and URLs -> the Parquet files that they refer to."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aedetect.data.first_bytes import SUFFIXES, why_passed_over
from aedetect.data.listing import list_below, why_unlisted
from aedetect.data.live_files import live_files
from aedetect.data.table_formats import (
    check_no_table,
    check_not_in_table,
    table_format,
)
from aedetect.errors import NoData

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_MAGIC = "*?["
_ESCAPED = r"\[([*?\[])\]"  # a wildcard in brackets is literal


@dataclass(frozen=True)
class Located:
    """What is at one or several locations."""

    files: tuple[tuple[str, str], ...]  # path and name
    passed_over: tuple[tuple[str, str], ...] = ()  # name, and why it is not read


def locate_sources(locations: Iterable[str]) -> Located:
    """Locate the Parquet files at all locations, each file once, each name once.

    A name that occurs at several locations is prefixed by the number of its location.
    """
    by_path: dict[str, tuple[int, str]] = {}
    passed_over: dict[tuple[str, str], None] = {}
    for at, location in enumerate(locations):
        located = locate_files(location)
        for path, name in located.files:
            by_path.setdefault(path, (at, name))
        passed_over |= dict.fromkeys(located.passed_over)
    uses = Counter(name for _, name in by_path.values())
    files = [
        (path, name if uses[name] == 1 else f"{at}/{name}") for path, (at, name) in by_path.items()
    ]
    return Located(tuple(files), tuple(passed_over))


def locate_files(location: str) -> Located:
    """Locate the Parquet files at a location, in the order of their names.

    An existing path is used literally; only others are interpreted as patterns. A table with a log
    is its live files. After the files come the folders that cannot be listed; their names end with
    "/". Raises NoData if the location does not exist or has no visible file.
    """
    fs, asked = filesystem(location)
    fs.invalidate_cache()  # a long-running process must see new files
    plain = unescaped(asked)
    root = next((each for each in dict.fromkeys((asked, plain)) if fs.exists(each)), plain)
    others: dict[str, str] = {}
    if fs.isdir(root):
        if kind := table_format(fs, root):
            return Located(tuple(live_files(fs, root, kind)))
        check_not_in_table(fs, [root])
        base, (found, unlisted) = root, list_below(fs, root)
        check_no_table(found, root)
        others = why_passed_over(fs, found, root, hidden=_is_hidden)
        paths = [path for path in found if path not in others and not _is_hidden(path, root)]
    elif fs.isfile(root):
        base, paths, unlisted = str(PurePosixPath(root).parent), [root], []
    elif _is_wild(asked):
        base, paths, unlisted = _matching(fs, asked)
        check_not_in_table(fs, [base, *(str(PurePosixPath(path).parent) for path in paths)])
    else:
        raise NoData(
            f"no such file or folder: {unescaped(location)}: check the path in the configuration"
        )
    unlisted = [path for path in unlisted if path not in paths and not _is_hidden(path, base)]
    if not paths:
        raise _nothing(fs, location, unlisted, others)

    def named(path: str) -> str:
        return path[len(base) :].lstrip("/")

    return Located(
        tuple(
            [(_openable(fs, path), named(path)) for path in paths]
            + [(_openable(fs, path), f"{named(path)}/") for path in unlisted]
        ),
        tuple((named(path), why) for path, why in others.items() if path not in unlisted),
    )


def _nothing(
    fs: AbstractFileSystem, location: str, unlisted: list[str], others: Mapping[str, str]
) -> NoData:
    """Return the error of a location without a file to read."""
    if unlisted:
        return NoData(
            f"{unlisted[0]} cannot be listed ({why_unlisted(fs, unlisted[0])}), and there is no "
            "Parquet file beside it: grant access, or mount it"
        )
    first = next((f"; {path} {why}" for path, why in others.items()), "")
    return NoData(
        f"no Parquet file ({', '.join(SUFFIXES)}) in {location}: point to where they are{first}"
    )


def escaped(path: str) -> str:
    """Return a path as a pattern that matches only this path.

    >>> escaped("/srv/plant[1]")
    '/srv/plant[[]1]'
    """
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def unescaped(pattern: str) -> str:
    """Return the path that a pattern without wildcards matches.

    >>> unescaped("/srv/plant[[]1]/*.parquet")
    '/srv/plant[1]/*.parquet'
    """
    return re.sub(_ESCAPED, r"\1", pattern)


def as_text(name: str) -> str:
    """Return a name as valid UTF-8: on disk, names are bytes and may be invalid."""
    return name.encode("utf-8", "replace").decode()


def filesystem(location: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path or URL, and the path within it.

    "::" chains file systems only before the first "://"; elsewhere it is part of a name.
    """
    import fsspec

    before, found, _ = location.partition("://")
    if found and "::" in before:
        chained: tuple[AbstractFileSystem, str] = fsspec.url_to_fs(location)
        return chained
    protocol = before if found else "file"
    kind = fsspec.get_filesystem_class(protocol)
    options = kind._get_kwargs_from_urls(location)  # noqa: SLF001 - as fsspec.url_to_fs does
    return fsspec.filesystem(protocol, **options), str(kind._strip_protocol(location))  # noqa: SLF001


def matches(root: str, path: str, *, pattern: bool = False) -> bool:
    """Whether a path is the file, or one in the folder, or one that the pattern stands for.

    >>> matches("/in", "/in/out/a.parquet"), matches("/in", "/in/_out/a.parquet")
    (True, False)
    >>> matches("/in/*.parquet", "/in/out/a.parquet", pattern=True)
    False
    """
    if pattern and _is_wild(root):
        from fsspec.utils import glob_translate

        parts = PurePosixPath(root).parts
        fixed = list(itertools.takewhile(lambda part: not _is_wild(part), parts[:-1]))
        base = unescaped(str(PurePosixPath(*fixed)))
        rest = glob_translate(str(PurePosixPath(*parts[len(fixed) :])))
        name = path[len(base) :].lstrip("/")
        return path.startswith(f"{base}/") and re.match(rest, name) is not None
    root = root.rstrip("/")
    if path == root:
        return True
    is_named = path.lower().endswith(SUFFIXES)  # it may not be there yet: it has no bytes yet
    return is_named and path.startswith(f"{root}/") and not _is_hidden(path, root)


def _matching(fs: AbstractFileSystem, pattern: str) -> tuple[str, list[str], list[str]]:
    """Return the folder of a pattern before any wildcard, and the files in it that match.

    Also return the folders in it that cannot be listed and may contain matches.

    Not `fs.glob`: it treats escaped characters as wildcards, and would list folders above.
    """
    from fsspec.utils import glob_translate

    parts = PurePosixPath(pattern).parts
    fixed = list(itertools.takewhile(lambda part: not _is_wild(part), parts[:-1]))
    base = unescaped(str(PurePosixPath(*fixed)))
    rest = str(PurePosixPath(*parts[len(fixed) :]))
    if not fs.isdir(base):
        return base, [], []
    depth = None if "**" in rest else rest.count("/") + 1
    found, unlisted = list_below(fs, base, depth=depth)

    def is_match(path: str, levels: int | None = None) -> bool:
        part = rest if levels is None else str(PurePosixPath(*parts[len(fixed) :][:levels]))
        name = path[len(base) :].lstrip("/")
        return re.match(glob_translate(part), name) is not None

    def may_hold(folder: str) -> bool:
        return depth is None or folder == base or is_match(folder, _levels(folder, base))

    return base, [path for path in found if is_match(path)], list(filter(may_hold, unlisted))


def _levels(path: str, base: str) -> int:
    return len(PurePosixPath(path[len(base) :].lstrip("/")).parts)


def _is_wild(part: str) -> bool:
    return any(sign in re.sub(_ESCAPED, "", part) for sign in _MAGIC)


def _is_hidden(path: str, root: str) -> bool:
    # Not by PurePosixPath: there may be many thousand files.
    parts = path[len(root) :].split("/")
    return any(part.startswith((".", "_")) for part in parts if part != ".")


def _openable(fs: AbstractFileSystem, path: str) -> str:
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return path if protocol in {"file", "local"} else str(fs.unstrip_protocol(path))
