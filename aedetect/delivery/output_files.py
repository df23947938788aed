"""The output's files as a database takes them: one fingerprint a file, rows in batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.errors import OutputError

BATCH_SIZE = 5_000  # rows at a time
_CHUNK = 1 << 20  # bytes hashed at a time
_UTC = pa.timestamp("us", tz="UTC")
_NO_TEXT = {0: "\ufffd"}  # PostgreSQL takes no NUL


def output_fingerprint(stream: IO[bytes]) -> str:
    """Hash what is in an open file (BLAKE2b, 128 bits), and go back to its start."""
    digest = hashlib.blake2b(digest_size=16)
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    stream.seek(0)
    return digest.hexdigest()


def read_batches(
    stream: IO[bytes], *, columns: Sequence[str], times: Sequence[str], name: Path
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of an open file as plain values, some thousand at a time.

    Moments are in UTC, to the microsecond; those without a zone count as UTC, as everywhere here.
    No entity is ''. Raises OutputError when a column is missing or the file cannot be read.
    """
    try:
        parquet = pq.ParquetFile(stream)
        absent = [column for column in columns if column not in parquet.schema_arrow.names]
        if absent:
            raise OutputError(
                f"{name} must have the columns of this version of aedetect, but it lacks "
                f"{', '.join(absent)}: run `aedetect score --all --force`"
            )
        for batch in parquet.iter_batches(batch_size=BATCH_SIZE, columns=list(columns)):
            yield [_plain(row) for row in _in_utc(batch, times).to_pylist()]
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{name} cannot be read ({error}): run `aedetect score` again") from error


def _in_utc(batch: pa.RecordBatch, times: Sequence[str]) -> pa.RecordBatch:
    for name in times:
        index = batch.schema.get_field_index(name)
        moments = batch.column(index)
        micro = moments.cast(pa.timestamp("us", tz=moments.type.tz), safe=False)
        batch = batch.set_column(index, name, micro.cast(_UTC))
    return batch


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: _storable(value) for name, value in row.items()}
    return plain | {"entity": plain["entity"] or ""}


def _storable(value: Any) -> Any:
    """Replace what JSON or a text column of PostgreSQL would refuse."""
    if isinstance(value, str):
        return value.translate(_NO_TEXT)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    return value
