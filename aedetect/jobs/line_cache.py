"""A cache of the lines of events. Optional: what a page shows does not depend on it.

What is expected around an event follows from the event, the detector and the rows: the key is a
hash of all three, the content of the files included. So a line of before a correction, of another
calibration or of another version of aedetect is never shown; it is not found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.sources import fingerprint_file
from aedetect.errors import AedetectError
from aedetect.output import aside, publish, written
from aedetect.output.files import open_parquet
from aedetect.report.lines import Line
from aedetect.scoring.input_cache import CACHE, InputCache

if TYPE_CHECKING:
    from aedetect.data import SourceFile

Lines = list[tuple[str, Line]]  # of an event, by column
_FILE, _FORMAT = "lines.parquet", b"1"
_MAX_EVENTS = 200  # that are kept, those of the last page first
_VALUES = ("observed", "expected", "low", "high")
_SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "column": pa.string(),  # null: the event has no lines
        "time": pa.list_(pa.int64()),
        **{name: pa.list_(pa.float64()) for name in _VALUES},
    },
    metadata={"aedetect_lines": _FORMAT},
)


def line_key(
    event: Sequence[Any], files: Sequence[SourceFile], *, known: InputCache, detector: str
) -> str | None:
    """Return the key of the lines of an event, of rows in some files; None: they are not kept.

    What is in object storage would have to be read whole for it.
    """
    if any("://" in file.path for file in files):
        return None
    try:
        prints = sorted((file.name, _fingerprint(file, known)) for file in files)
    except OSError:  # a file that went away: drawing says so
        return None
    described = json.dumps([*event, prints, detector, version("aedetect"), str(_FORMAT)])
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()


def detector_digest(folder: Path) -> str:
    """Return a hash of all files of a saved detector, later calibrations included."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(json.dumps([str(path.relative_to(folder)), path.stat().st_size]).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_lines(output: Path) -> dict[str, Lines]:
    """Return the lines of events that were drawn before, by key; none if damaged or missing."""
    try:
        with written(output), open_parquet(output / CACHE / _FILE) as parquet:
            table = parquet.read(use_threads=False)
        if (table.schema.metadata or {}).get(b"aedetect_lines") != _FORMAT:
            return {}
        return _lines(table)
    except (AedetectError, pa.ArrowException, KeyError, TypeError, ValueError):
        return {}


def write_lines(output: Path, drawn: Mapping[str, Lines], *, known: Mapping[str, Lines]) -> None:
    """Keep the lines of the events of a page, and of some that earlier pages showed.

    Failures to write the cache are ignored.
    """
    if all(key in known for key in drawn):
        return
    kept = {**drawn, **{key: lines for key, lines in known.items() if key not in drawn}}
    rows = [row for key in list(kept)[:_MAX_EVENTS] for row in _rows(key, kept[key])]
    with (
        suppress(AedetectError, pa.ArrowException, OSError),
        aside(output) as scratch,
        written(output),
    ):
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), scratch / _FILE, compression="zstd")
        publish(scratch / _FILE, output / CACHE / _FILE)


def _fingerprint(file: SourceFile, known: InputCache) -> str:
    signature, found = known.fingerprints.get((file.path, file.name), (None, ""))
    is_known = signature is not None and signature == file.signature
    return found if is_known else fingerprint_file(file)


def _lines(table: pa.Table) -> dict[str, Lines]:
    found: dict[str, Lines] = {}
    lists = [table[name].to_pylist() for name in ("key", "column", "time")]
    columns = {name: table[name].combine_chunks() for name in _VALUES}
    for at, (key, column, time) in enumerate(zip(*lists, strict=True)):
        lines = found.setdefault(key, [])
        if column is not None:
            values = {
                name: each[at].values.to_numpy(zero_copy_only=False)
                for name, each in columns.items()
            }
            if any(len(each) != len(time) for each in values.values()):
                raise ValueError(f"the lines of {column} are of different lengths")
            lines.append((column, Line(time=np.array(time, dtype=np.int64), values=values)))
    return found


def _rows(key: str, lines: Lines) -> list[dict[str, Any]]:
    if not lines:
        return [{"key": key}]
    return [
        {"key": key, "column": column, "time": line.time, **line.values} for column, line in lines
    ]
