"""Whether the values of a file can be read to its end; its footer does not show that."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.data.file_stat import Signature
from aedetect.data.sources import SourceFile, open_file


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
        with open_file(path) as stream, pq.ParquetFile(stream, pre_buffer=False) as parquet:
            for batch in parquet.iter_batches(columns=None if columns is None else list(columns)):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    if not _is_text(column):
                        return f'has text that is not UTF-8 in the column "{name}"'
    except (pa.ArrowException, OSError) as error:
        return f"cannot be read to the end ({str(error).splitlines()[0].rstrip('.')})"
    return None


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
