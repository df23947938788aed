"""The input files: their paths, footers and fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.discovery import as_text, filesystem, locate_sources
from aedetect.data.file_stat import Signature
from aedetect.data.first_bytes import is_convertible
from aedetect.data.footers import check_names, trusted_moments
from aedetect.data.hive_names import hive_keys
from aedetect.data.in_threads import in_threads
from aedetect.data.listing import why_unlisted
from aedetect.data.pandas_columns import index_columns
from aedetect.data.time_ranges import HOUR, TimeRange, enclosing
from aedetect.errors import NoData, UnreadableFile

FileKey = tuple[str, str]  # path and name
_CHUNK = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One readable Parquet file, as described by its footer."""

    path: str  # a local path or a URL
    name: str  # relative to the source, the same on every machine
    rows: int
    columns: Mapping[str, pa.DataType]
    time_column: str
    hive: frozenset[str] = frozenset()  # columns in the path (key=value), not in the file
    index: frozenset[str] = frozenset()  # columns that are the index of a pandas table
    groups: tuple[TimeRange, ...] = ()  # of its row groups; empty without rows or time column
    by_time: bool = (
        False  # written by `aedetect.scoring.time_sort`: sorted by time, with its own origin
    )
    signature: Signature | None = None  # taken before the footer was read; None: not available
    hours: Mapping[int, int] = field(default_factory=dict)  # start (ns) -> rows, as they were read
    step: int = HOUR  # ns that hours are long
    beyond: int = 0  # rows whose timestamp is infinite, or too far off to compute with

    @cached_property
    def keys(self) -> Mapping[str, str | None]:
        """Values of the columns in the path; None stands for a missing one."""
        return {key: value for key, value in hive_keys(self.name).items() if key in self.hive}

    @cached_property
    def times(self) -> TimeRange | None:
        """Range of its timestamps; None if it has none."""
        return enclosing(self.groups)

    @property
    def undated(self) -> int:
        """Rows without a timestamp that can be computed with."""
        return self.rows - sum(group.rows for group in self.groups)


@dataclass(frozen=True)
class Quarantined:
    """A file that could not be read, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        """Return name and reason in one line."""
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Source:
    """The files of one input, in the order of their names."""

    files: tuple[SourceFile, ...]
    quarantined: tuple[Quarantined, ...] = field(default=())
    passed_over: tuple[Quarantined, ...] = ()  # in the folders, but not Parquet


def find_files(
    locations: Sequence[str],
    *,
    timestamp: str,
    known: Mapping[FileKey, SourceFile] | None = None,
    step: int = HOUR,
) -> Source:
    """List the Parquet files of folders, globs, files or URLs and read their footers.

    Footers of unchanged files that are `known`, by path and name, are not read again. The rows of
    each are counted by hours, or by another step (ns). Files that
    cannot be read are quarantined by name. Raises NoData if a location does not exist, contains no
    Parquet file, or none of its files is readable.
    """
    located = locate_sources(locations)
    found = located.files
    described: dict[FileKey, SourceFile | Quarantined] = {
        pair: known[pair] for pair in found if known and pair in known and _is_same(known[pair])
    }
    others = [pair for pair in found if pair not in described]
    read = in_threads(partial(_describe, timestamp=timestamp, step=step), others, threads=4)
    described |= dict(zip(others, read, strict=True))
    items = [described[pair] for pair in found]
    files = tuple(item for item in items if isinstance(item, SourceFile))
    quarantined = tuple(item for item in items if isinstance(item, Quarantined))
    if not files:
        raise NoData(_nothing_readable(quarantined, ", ".join(locations)))
    passed_over = tuple(Quarantined(as_text(name), why) for name, why in located.passed_over)
    return Source(files, quarantined, passed_over)


def _nothing_readable(files: Sequence[Quarantined], where: str) -> str:
    if len(files) == 1:
        return (
            f"the only Parquet file of {where} cannot be used ({files[0]}): restore it, or point "
            "to others"
        )
    return (
        f"none of the {len(files):,} Parquet files of {where} can be used (first: {files[0]}): "
        "restore them, or point to others"
    )


def fingerprint_files(
    files: Iterable[SourceFile], *, known: Mapping[FileKey, tuple[Signature, str]] | None = None
) -> dict[str, str]:
    """Map each file's name to a hash of its content (BLAKE2b, 128 bits).

    Content, because size and modification time change when a file is copied and may not change
    when one value in it is corrected. Files `known` by path and signature are not read.
    """
    listed = list(files)
    prints = {}
    for file in listed:
        signature, before = (known or {}).get((file.path, file.name), (None, ""))
        if signature is not None and signature == file.signature:
            prints[file.name] = before
    others = [file for file in listed if file.name not in prints]
    hashed = in_threads(fingerprint_file, others, threads=2)
    prints |= dict(zip((file.name for file in others), hashed, strict=True))
    return {file.name: prints[file.name] for file in listed}


def fingerprint_file(file: SourceFile) -> str:
    """Hash the content of one file (BLAKE2b, 128 bits, hexadecimal)."""
    digest = hashlib.blake2b(digest_size=16)
    with open_file(file.path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def touched(files: Iterable[SourceFile], fingerprints: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """Return files with updated signatures where they were touched but have the same content.

    Files with the same content are treated as unchanged.
    """
    return tuple(_touched(file, fingerprints.get(file.name)) for file in files)


def rewritten(files: Iterable[SourceFile]) -> tuple[str, ...]:
    """Return the names of the files that were replaced or touched since their signature was taken.

    Works for local files only. The content is not compared: it may have differed in between.
    """
    return tuple(f.name for f in files if f.signature is not None and not _is_same(f))


def _touched(file: SourceFile, before: str | None) -> SourceFile:
    if file.signature is None or _is_same(file):
        return file
    signature = Signature.of(file.path)  # first: content read afterwards may be newer, never older
    try:
        is_same = signature is not None and fingerprint_file(file) == before
    except OSError:
        return file
    return replace(file, signature=signature) if is_same else file


def open_file(path: str) -> IO[bytes]:
    """Open a local path or URL for reading bytes."""
    if "://" not in path:
        return Path(path).open("rb")
    fs, place = filesystem(path)
    stream: IO[bytes] = fs.open(place, "rb")
    return stream


def _is_same(file: SourceFile) -> bool:
    """Whether a file is unchanged since it was described."""
    return file.signature is not None and file.signature == Signature.of(file.path)


def _describe(pair: tuple[str, str], *, timestamp: str, step: int) -> SourceFile | Quarantined:
    """Read one footer; a file with an unreadable footer is quarantined with the reason."""
    path, name = pair
    if path != as_text(path):
        return Quarantined(as_text(name), "has a name that is not UTF-8: rename it")
    if name.endswith("/"):
        return Quarantined(name, f"cannot be listed ({why_unlisted(*filesystem(path))})")
    signature = Signature.of(path)
    if "://" not in path and Path(path).exists() and not Path(path).is_file():
        return Quarantined(name, "is no regular file (a pipe, a socket or a device): remove it")
    try:
        with open_file(path) as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
            schema = parquet.schema_arrow
            check_names(schema.names)
            hive = frozenset(hive_keys(name)) - set(schema.names)
            columns = dict(zip(schema.names, schema.types, strict=True))
            columns |= dict.fromkeys(sorted(hive), pa.string())
            rows = parquet.metadata.num_rows
            moments = trusted_moments(stream, parquet, timestamp, step=step)
    except UnreadableFile as error:
        return Quarantined(name, str(error))
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        why = f"is not readable Parquet ({str(error).splitlines()[0].rstrip('.')})"
        return Quarantined(name, is_convertible(path) or why)
    return SourceFile(
        path=path,
        name=name,
        rows=rows,
        columns=columns,
        time_column=timestamp,
        hive=hive,
        index=index_columns(schema),
        groups=moments.groups,
        hours=moments.hours,
        step=step,
        beyond=moments.beyond,
        signature=signature,
    )
