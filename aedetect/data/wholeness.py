"""Whether the values of a file can be read to its end; its footer does not show that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.file_stat import Signature
from aedetect.data.sources import SourceFile, open_file

_BUFFER = 2**18  # bytes of a column chunk
_COLUMNS = 64  # that are read together


def is_whole(file: SourceFile) -> bool:
    """Whether a file can be read to its end; reads all of it, once per process."""
    return fault(file) is None


def fault(file: SourceFile, columns: Collection[str] | None = None) -> str | None:
    """Return why a file cannot be read to its end; None if it can.

    Reads some columns or all of them, once per process.
    """
    chosen = None if columns is None else tuple(sorted(set(columns) - file.hive))
    signature = Signature.of(file.path)
    if signature is None or signature != file.signature:
        return _fault.__wrapped__(file.path, None, chosen)
    return _fault(file.path, signature, chosen)


@lru_cache(maxsize=1024)
def _fault(path: str, _signature: Signature | None, columns: tuple[str, ...] | None) -> str | None:
    try:
        with open_file(path) as stream, open_by_parts(stream) as parquet:
            names = parquet.schema_arrow.names if columns is None else columns
            batches = (
                parquet.iter_batches(columns=some, use_threads=False) for some in few_columns(names)
            )
            for batch in chain.from_iterable(batches):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    if not _is_text(column):
                        return f'has text that is not UTF-8 in the column "{name}"'
    except (pa.ArrowException, OSError) as error:
        return f"cannot be read to the end ({str(error).splitlines()[0].rstrip('.')})"
    return None


def open_by_parts(stream: IO[bytes]) -> pq.ParquetFile:
    """Open a file to read it part by part: of a column chunk, a buffer is held and not the whole.

    Without `pre_buffer=False`, pyarrow 25 keeps all data read until the file is closed.
    """
    return pq.ParquetFile(stream, pre_buffer=False, buffer_size=_BUFFER)


def few_columns(names: Iterable[str]) -> Iterator[list[str]]:
    """Cut names into columns that are read together: pages of all columns would fill memory."""
    distinct = list(dict.fromkeys(names))
    for start in range(0, len(distinct), _COLUMNS):
        yield distinct[start : start + _COLUMNS]


def _is_text(column: pa.Array) -> bool:
    """Whether a column of text is valid UTF-8, as the type promises and no reader checks."""
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return True
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
