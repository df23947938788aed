"""A cache of metadata about unchanged input files. Optional: results do not depend on it.

A scheduled run inspects its whole input each time: without the cache it would read every byte again
to compute fingerprints. An entry is valid as long as path, size, inode, and the times of
modification and change are the same. A file that was written just before it was inspected may be
written again without a change of these, so it gets no entry, as in git (Documentation/technical/
racy-git). If the cache is missing or damaged, everything is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data import SourceFile
from aedetect.data.file_stat import Signature
from aedetect.data.sources import FileKey
from aedetect.data.time_ranges import HOUR, TimeRange
from aedetect.errors import AedetectError
from aedetect.output import publish, written
from aedetect.output.files import open_parquet

CACHE = ".cache"  # folder of the output
_FILE = "inputs.parquet"
_FORMAT = b"3"
_SETTLED = 2_000_000_000  # ns since its last change after which a file is considered settled
_RANGE = pa.struct({"first": pa.int64(), "last": pa.int64(), "rows": pa.int64()})
_SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "name": pa.string(),
        "time_column": pa.string(),
        "size": pa.int64(),
        "modified": pa.int64(),
        "changed": pa.int64(),
        "inode": pa.uint64(),
        "fingerprint": pa.string(),
        "rows": pa.int64(),
        "columns": pa.binary(),  # an Arrow schema as IPC writes it
        "hive": pa.list_(pa.string()),
        "groups": pa.list_(_RANGE),
        "hours": pa.list_(pa.struct({"start": pa.int64(), "rows": pa.int64()})),
        "beyond": pa.int64(),
        "step": pa.int64(),
    },
    metadata={"aedetect_cache": _FORMAT},
)


@dataclass(frozen=True)
class InputCache:
    """Files as described by their footers, and their fingerprints; by path and name."""

    files: Mapping[FileKey, SourceFile] = field(default_factory=dict)
    fingerprints: Mapping[FileKey, tuple[Signature, str]] = field(default_factory=dict)


def read_input_cache(output: Path, *, timestamp: str, step: int = HOUR) -> InputCache:
    """Read the cache of earlier runs; empty if it is missing or damaged."""
    try:
        with written(output), open_parquet(output / CACHE / _FILE) as parquet:
            table = parquet.read(use_threads=False)
        if (table.schema.metadata or {}).get(b"aedetect_cache") != _FORMAT:
            return InputCache()
        entries = list(_entries(table, timestamp, step))
    except (AedetectError, pa.ArrowException, KeyError, TypeError, ValueError):
        return InputCache()
    return InputCache(
        {(file.path, file.name): file for file, _ in entries},
        {
            (file.path, file.name): (file.signature, fingerprint)
            for file, fingerprint in entries
            if file.signature is not None
        },
    )


def looked_at(output: Path) -> int | None:
    """Return when the cache was written (ns), on the clock of the file system; None without one."""
    try:
        return (output / CACHE / _FILE).stat().st_mtime_ns
    except OSError:
        return None


def write_input_cache(
    output: Path,
    files: Sequence[SourceFile],
    fingerprints: Mapping[str, str],
    *,
    known: InputCache,
    scratch: Path,
) -> None:
    """Store the metadata of settled files, unless all of it is `known`.

    Failures to write the cache are ignored. The scratch folder provides the time of the file
    system, which file timestamps are based on.
    """
    if len(files) == len(known.files) and all(_is_known(file, known) for file in files):
        return
    with suppress(AedetectError, pa.ArrowException), written(output):
        probe = scratch / "now"
        probe.touch()
        now = probe.stat().st_mtime_ns
        rows = [
            _row(file, file.signature, fingerprints[file.name])
            for file in files
            if file.signature is not None and _is_settled(file.signature, now)
        ]
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), scratch / _FILE, compression="zstd")
        publish(scratch / _FILE, output / CACHE / _FILE)


def _is_known(file: SourceFile, known: InputCache) -> bool:
    """Whether all metadata of a file is in the cache."""
    return known.files.get((file.path, file.name)) is file


def _is_settled(signature: Signature, now: int) -> bool:
    """Whether the last write of a file is long enough ago; False if it is in the future."""
    return max(signature.modified, signature.changed) < now - _SETTLED


def _row(file: SourceFile, signature: Signature, fingerprint: str) -> dict[str, Any]:
    return {
        "path": file.path,
        "name": file.name,
        "time_column": file.time_column,
        "size": signature.size,
        "modified": signature.modified,
        "changed": signature.changed,
        "inode": signature.inode,
        "fingerprint": fingerprint,
        "rows": file.rows,
        "columns": _serialized(tuple(file.columns.items())),
        "hive": sorted(file.hive),
        "groups": [{"first": g.first, "last": g.last, "rows": g.rows} for g in file.groups],
        "hours": [{"start": start, "rows": rows} for start, rows in file.hours.items()],
        "beyond": file.beyond,
        "step": file.step,
    }


def _entries(table: pa.Table, timestamp: str, step: int) -> Iterator[tuple[SourceFile, str]]:
    for row in table.to_pylist():
        if row["time_column"] == timestamp and row["step"] == step:
            yield _file(row), row["fingerprint"]


def _file(row: Mapping[str, Any]) -> SourceFile:
    return SourceFile(
        path=row["path"],
        name=row["name"],
        rows=row["rows"],
        columns=_columns(row["columns"]),
        time_column=row["time_column"],
        hive=frozenset(row["hive"]),
        groups=tuple(TimeRange(**group) for group in row["groups"]),
        signature=Signature(row["size"], row["modified"], row["changed"], row["inode"]),
        hours={hour["start"]: hour["rows"] for hour in row["hours"]},
        beyond=row["beyond"],
        step=row["step"],
    )


@lru_cache(maxsize=256)  # files of one source mostly have the same columns
def _serialized(columns: tuple[tuple[str, pa.DataType], ...]) -> bytes:
    content: bytes = pa.schema(columns).serialize().to_pybytes()
    return content


@lru_cache(maxsize=256)
def _columns(content: bytes) -> dict[str, pa.DataType]:
    schema = pa.ipc.read_schema(pa.py_buffer(content))
    return dict(zip(schema.names, schema.types, strict=True))
