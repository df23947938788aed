"""Find input files: folders, globs, files and URLs -> the Parquet files that they refer to."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

import fsspec

from aedetect.data.listing import list_below, why_unlisted
from aedetect.errors import NoData

SUFFIXES = (".parquet", ".pq", ".parq")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # what Hive and Spark write for a missing key
_TABLES = {
    "Delta Lake": r"(^|/)_delta_log/",
    "Apache Iceberg": r"(^|/)metadata/[^/]*\.metadata\.json$",
    "Apache Hudi": r"(^|/)\.hoodie/",
}
_MAGIC = "*?["
_ESCAPED = r"\[([*?\[])\]"  # a wildcard in brackets is literal


def locate_sources(locations: Iterable[str]) -> list[tuple[str, str]]:
    """List (path, name) of the Parquet files at all locations, each file once, each name once.

    A name that occurs at several locations is prefixed by the number of its location.
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

    An existing path is used literally; only others are interpreted as patterns. After the files
    come the folders that cannot be listed; their names end with "/". Raises NoData if the location
    does not exist or has no visible file.
    """
    fs, asked = filesystem(location)
    fs.invalidate_cache()  # a long-running process must see new files
    plain = unescaped(asked)
    root = next((each for each in dict.fromkeys((asked, plain)) if fs.exists(each)), plain)
    if fs.isdir(root):
        base, (found, unlisted) = root, list_below(fs, root)
        _check_no_table(found, root)
        paths = [path for path in found if _is_parquet(fs, path, root)]
    elif fs.isfile(root):
        base, paths, unlisted = str(PurePosixPath(root).parent), [root], []
    elif _is_wild(asked):
        base, paths, unlisted = _matching(fs, asked)
    else:
        raise NoData(
            f"no such file or folder: {unescaped(location)}: check the path in the configuration"
        )
    unlisted = [path for path in unlisted if path not in paths and not _is_hidden(path, base)]
    if not paths and unlisted:
        raise NoData(
            f"{unlisted[0]} cannot be listed ({why_unlisted(fs, unlisted[0])}), and there is no "
            "Parquet file beside it: grant access, or mount it"
        )
    if not paths:
        raise NoData(
            f"no Parquet file ({', '.join(SUFFIXES)}) in {location}: point to where they are"
        )
    for path in paths:
        yield _openable(fs, path), path[len(base) :].lstrip("/")
    for path in unlisted:
        yield _openable(fs, path), path[len(base) :].lstrip("/") + "/"


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


def hive_keys(name: str) -> dict[str, str | None]:
    """Return the keys and values of key=value folders in a file's name.

    >>> hive_keys("machine=a%20b/date=__HIVE_DEFAULT_PARTITION__/part.parquet")
    {'machine': 'a b', 'date': None}
    """
    pairs = (part.partition("=") for part in PurePosixPath(name).parts[:-1])
    found = {key: unquote(value) for key, sign, value in pairs if sign and key}
    return {key: None if value == _NO_VALUE else value for key, value in found.items()}


def as_text(name: str) -> str:
    """Return a name as valid UTF-8: on disk, names are bytes and may be invalid."""
    return name.encode("utf-8", "replace").decode()


def filesystem(location: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a path or URL, and the path within it.

    "::" chains file systems only before the first "://"; elsewhere it is part of a name.
    """
    before, found, _ = location.partition("://")
    if found and "::" in before:
        chained: tuple[fsspec.AbstractFileSystem, str] = fsspec.url_to_fs(location)
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
        parts = PurePosixPath(root).parts
        fixed = list(itertools.takewhile(lambda part: not _is_wild(part), parts[:-1]))
        base = unescaped(str(PurePosixPath(*fixed)))
        rest = fsspec.utils.glob_translate(str(PurePosixPath(*parts[len(fixed) :])))
        name = path[len(base) :].lstrip("/")
        return path.startswith(f"{base}/") and re.match(rest, name) is not None
    root = root.rstrip("/")
    if path == root:
        return True
    is_named = path.lower().endswith(SUFFIXES)  # it may not be there yet: its bytes tell nothing
    return is_named and path.startswith(f"{root}/") and not _is_hidden(path, root)


def _matching(fs: fsspec.AbstractFileSystem, pattern: str) -> tuple[str, list[str], list[str]]:
    """Return the folder of a pattern before any wildcard, and the files in it that match.

    Also return the folders in it that cannot be listed and may contain matches.

    Not `fs.glob`: it treats escaped characters as wildcards, and would list folders above.
    """
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
        return re.match(fsspec.utils.glob_translate(part), name) is not None

    def may_hold(folder: str) -> bool:
        return depth is None or folder == base or is_match(folder, _levels(folder, base))

    return base, [path for path in found if is_match(path)], list(filter(may_hold, unlisted))


def _levels(path: str, base: str) -> int:
    return len(PurePosixPath(path[len(base) :].lstrip("/")).parts)


def _is_wild(part: str) -> bool:
    return any(sign in re.sub(_ESCAPED, "", part) for sign in _MAGIC)


def _check_no_table(paths: Iterable[str], root: str) -> None:
    """Raise NoData for a table whose log, not its folder, says which files and rows count."""
    for path in paths:
        for kind, sign in _TABLES.items():
            if re.search(sign, path[len(root) :]):
                raise NoData(
                    f"{root} holds a table of {kind}, whose folder has rows that are not of it any "
                    "more: export its current snapshot to Parquet files, and point to those"
                )


def _is_parquet(fs: fsspec.AbstractFileSystem, path: str, root: str) -> bool:
    """Whether a path is a Parquet file, by name or by its first bytes, outside hidden folders."""
    if _is_hidden(path, root):
        return False
    if path.lower().endswith(SUFFIXES):
        return True
    try:
        return bool(fs.isfile(path) and fs.cat_file(path, start=0, end=4) == b"PAR1")
    except OSError:
        return False


def _is_hidden(path: str, root: str) -> bool:
    parts = PurePosixPath(path[len(root) :]).parts
    return any(part.startswith((".", "_")) for part in parts)


def _openable(fs: fsspec.AbstractFileSystem, path: str) -> str:
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return path if protocol in {"file", "local"} else str(fs.unstrip_protocol(path))
