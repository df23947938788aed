"""The input files: which there are, what their footers say, and a fingerprint of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import IO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import NoData, UnreadableFile
from aedetect.ranges import TimeRange, enclosing, occupied_hours, time_ranges

SUFFIXES = (".parquet", ".pq", ".parq")
_MAGIC = "*?["
_CHUNK = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One readable Parquet file, as its footer describes it."""

    path: str  # what opens it: a local path or a URL
    name: str  # relative to the source, the same on every machine
    rows: int
    columns: Mapping[str, pa.DataType]
    time_column: str
    hive: frozenset[str] = frozenset()  # columns in the path (key=value), not in the file
    groups: tuple[TimeRange, ...] = ()  # of its row groups; none without rows or time column
    by_time: bool = False  # made by `aedetect.cluster`: ordered by time, names its own origin

    @cached_property
    def times(self) -> TimeRange | None:
        """Range of its moments; None when it has none."""
        return enclosing(self.groups)

    @property
    def undated(self) -> int:
        """Rows without a timestamp."""
        return self.rows - sum(group.rows for group in self.groups)

    @cached_property
    def hours(self) -> frozenset[int]:
        """Starts of the hours that hold rows, in ns; reads the time column.

        Raises UnreadableFile when it cannot be read to its end.
        """
        try:
            with (
                open_file(self.path) as stream,
                pq.ParquetFile(stream, pre_buffer=False) as parquet,
            ):
                return frozenset(occupied_hours(parquet, self.time_column))
        except (OSError, pa.ArrowException) as error:
            raise UnreadableFile(f"cannot be read to its end ({error})") from error


@dataclass(frozen=True)
class SetAside:
    """A file that could not be read, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Source:
    """The files of one input, in the order of their names."""

    files: tuple[SourceFile, ...]
    aside: tuple[SetAside, ...] = field(default=())


def find(locations: Sequence[str], *, timestamp: str) -> Source:
    """List the Parquet files of folders, globs, files or URLs and read their footers.

    Files that cannot be read are set aside by name. Raises NoData when a location does not exist,
    when it holds no Parquet file, and when none of its files is readable.
    """
    found = [pair for location in locations for pair in _locate(location)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        described = list(pool.map(partial(_describe, timestamp=timestamp), found))
    files = tuple(item for item in described if isinstance(item, SourceFile))
    aside = tuple(item for item in described if isinstance(item, SetAside))
    if not files:
        raise NoData(
            f"none of the {len(aside)} Parquet files of {', '.join(locations)} is readable "
            f"(first: {aside[0]}): restore them, or point to others"
        )
    return Source(files, aside)


def fingerprints(files: Iterable[SourceFile]) -> dict[str, str]:
    """Map each file's name to a hash of its content (BLAKE2b, 128 bits).

    Content, because size and modification time change when a file is copied and may not change
    when one value in it is corrected.
    """
    listed = list(files)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip((file.name for file in listed), pool.map(fingerprint, listed), strict=True))


def fingerprint(file: SourceFile) -> str:
    """Hash the content of one file (BLAKE2b, 128 bits, hexadecimal)."""
    digest = hashlib.blake2b(digest_size=16)
    with open_file(file.path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_whole(file: SourceFile) -> bool:
    """Whether a file can be read to its end; reads all of it."""
    try:
        with open_file(file.path) as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
            for _ in parquet.iter_batches():
                pass
    except (pa.ArrowException, OSError):
        return False
    return True


def open_file(path: str) -> IO[bytes]:
    """Open a local path or URL for reading bytes."""
    if "://" not in path:
        return Path(path).open("rb")
    stream: IO[bytes] = fsspec.open(path, "rb").open()
    return stream


def _locate(location: str) -> Iterator[tuple[str, str]]:
    """Yield (path, name) of the Parquet files at a location, in the order of their names."""
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


def _describe(pair: tuple[str, str], *, timestamp: str) -> SourceFile | SetAside:
    """Read one footer; a file without a readable one is set aside with the reason."""
    path, name = pair
    try:
        with open_file(path) as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
            schema = parquet.schema_arrow
            groups = time_ranges(parquet, timestamp) if timestamp in schema.names else ()
            hive = _hive_columns(name) - set(schema.names)
            columns = dict(zip(schema.names, schema.types, strict=True))
            columns |= dict.fromkeys(sorted(hive), pa.string())
            rows = parquet.metadata.num_rows
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        return SetAside(name, f"is not readable Parquet ({str(error).splitlines()[0].rstrip('.')})")
    return SourceFile(
        path=path,
        name=name,
        rows=rows,
        columns=columns,
        time_column=timestamp,
        hive=hive,
        groups=groups,
    )


def _hive_columns(name: str) -> frozenset[str]:
    """Return the keys of key=value folders in a file's name.

    >>> sorted(_hive_columns("machine=a/date=2026-01-01/part.parquet"))
    ['date', 'machine']
    """
    folders = PurePosixPath(name).parts[:-1]
    return frozenset(part.split("=", 1)[0] for part in folders if "=" in part)
