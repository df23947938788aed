"""The rows of a Parquet file divided by the values of one of its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aedetect.data.hive_names import hive_keys

_MOST_BYTES = 2**28  # of rows that are held before they are written
Write = Callable[[str, int, pa.Table], None]  # a value, the number of the part, its rows
_EXACT = 32  # characters of a text that writers do not cut off in the statistics of a footer


@dataclass(frozen=True)
class SplitFile:
    """How a file was divided: rows by value, and those without one."""

    rows: dict[str, int]
    without: int


def only_value(parquet: pq.ParquetFile, name: str, column: str) -> str | None:
    """Return the value that all rows of a file have, by its path or its footer; None if unknown."""
    if column not in parquet.schema_arrow.names:
        return hive_keys(name).get(column)
    meta = parquet.metadata
    paths = [meta.schema.column(place).path for place in range(meta.num_columns)]
    if column not in paths or not meta.num_row_groups:
        return None
    place, found = paths.index(column), set[str]()
    for number in range(meta.num_row_groups):
        known = meta.row_group(number).column(place).statistics
        if known is None or not (known.has_min_max and known.has_null_count) or known.null_count:
            return None
        if known.min != known.max or not isinstance(known.min, str | int):
            return None
        if isinstance(known.min, bool) or len(str(known.min)) >= _EXACT:
            return None
        found.add(str(known.min))
    return found.pop() if len(found) == 1 else None


def split_file(parquet: pq.ParquetFile, column: str, write: Write) -> SplitFile:
    """Write the rows of each value as files of their own, in their order, of bounded size.

    A file so large that its rows are not held together gives several for a value, numbered.
    """
    total: dict[str, int] = {}
    without = part = size = 0
    held: dict[str, list[pa.Table]] = {}
    for number in range(parquet.num_row_groups):
        table = parquet.read_row_group(number, use_threads=False)
        texts = as_texts(table[column])
        encoded = texts.combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        first = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
        without += int(first[0])
        for code, value in enumerate(encoded.dictionary.to_pylist()):
            rows = table.take(pa.array(order[first[code] : first[code + 1]]))
            held.setdefault(value, []).append(rows)
            total[value] = total.get(value, 0) + len(rows)
        size += table.nbytes
        if size > _MOST_BYTES:
            _write_all(held, part, write)
            part, size = part + 1, 0
    _write_all(held, part, write)
    return SplitFile(total, without)


def as_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values as texts; an empty text is none. Raises ArrowException where that fails."""
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    texts = pc.cast(values, pa.string())
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _write_all(held: dict[str, list[pa.Table]], part: int, write: Write) -> None:
    for value, tables in held.items():
        write(value, part, pa.concat_tables(tables))
    held.clear()
