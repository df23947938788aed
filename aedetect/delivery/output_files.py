"""Read output files for a database: one fingerprint per file, rows in batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.errors import OutputError

BATCH_SIZE = 5_000  # rows at a time
_CHUNK = 1 << 20  # bytes hashed at a time
_UTC = pa.timestamp("us", tz="UTC")
# PostgreSQL accepts no NUL: it is written as U+2400 and "0", and U+2400 itself twice.
_NUL = "\u2400"
_ESCAPES = {0: f"{_NUL}0", ord(_NUL): _NUL * 2}
_FRACTION = {"timestamp": "nanosecond"}  # time column of a key -> column of its nanoseconds


def output_fingerprint(stream: IO[bytes]) -> str:
    """Hash an open file (BLAKE2b, 128 bits), and seek to its start."""
    digest = hashlib.blake2b(digest_size=16)
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    stream.seek(0)
    return digest.hexdigest()


def read_batches(
    stream: IO[bytes], *, columns: Sequence[str], times: Sequence[str], name: Path
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of an open file as plain values, in batches.

    Times are in UTC, to the microsecond; those without a zone are UTC, as everywhere in aedetect.
    The nanoseconds below are a separate column. No entity is '', and an entity with an empty name
    is U+2400, which also replaces NUL (`stored_text`). Raises OutputError when a column is missing
    or the file cannot be read.
    """
    try:
        parquet = pq.ParquetFile(stream, pre_buffer=False)
        absent = [column for column in columns if column not in parquet.schema_arrow.names]
        if absent:
            raise OutputError(
                f"{name} must have the columns of this version of aedetect, but it lacks "
                f"{', '.join(absent)}: run `aedetect score --all --force`"
            )
        for batch in parquet.iter_batches(
            batch_size=BATCH_SIZE, columns=list(columns), use_threads=False
        ):
            yield [_plain(row) for row in _in_utc(batch, times).to_pylist()]
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{name} cannot be read ({error}): run `aedetect score` again") from error


def _in_utc(batch: pa.RecordBatch, times: Sequence[str]) -> pa.RecordBatch:
    for name in times:
        index = batch.schema.get_field_index(name)
        micro, left = _split(batch.column(index))
        batch = batch.set_column(index, name, micro)
        if name in _FRACTION:
            batch = batch.append_column(_FRACTION[name], left)
    return batch


def _split(stamps: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return times in whole microseconds of UTC, rounded down, and the remaining nanoseconds."""
    if stamps.type.unit != "ns":
        micro = stamps.cast(pa.timestamp("us", tz=stamps.type.tz))
        return micro.cast(_UTC), pa.array(np.zeros(len(stamps), dtype=np.int64))
    exact = stamps.cast(pa.int64())
    values = pc.fill_null(exact, 0).to_numpy(zero_copy_only=False)
    left = pa.array(values % 1_000)  # never negative, also before 1970
    return pc.divide(pc.subtract(exact, left), 1_000).cast(pa.timestamp("us")).cast(_UTC), left


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: storable(value) for name, value in row.items()}
    entity = row["entity"]
    return plain | {"entity": "" if entity is None else plain["entity"] or _NUL}


def stored_text(text: str) -> str:
    r"""Return a text that databases accept; distinct texts remain distinct.

    >>> stored_text("a\0b")
    'a␀0b'
    """
    return text.translate(_ESCAPES)


def storable(value: Any) -> Any:
    """Replace values that JSON or text columns of PostgreSQL do not accept."""
    if isinstance(value, str):
        return stored_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [storable(each) for each in value]
    if isinstance(value, dict):
        return {name: storable(each) for name, each in value.items()}
    return value
