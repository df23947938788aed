"""Rows of one Arrow table -> rows ordered by entity and time, in memory.

For as many rows as fit there. Most files are ordered by time, many by entity too: then little or
nothing has to move, where a database sorts all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Float32, Float64, Int32, Int64
from aedetect.data.rows import Rows

_KEYS = ("_time", "_entity", "_file", "_row")
_EMPTY = pa.schema([])
_EXACT = 16  # bits of integers that are numbers of 32 bits, too


def ordered_rows(
    batches: Iterable[pa.RecordBatch],
    categories: Mapping[str, tuple[str, ...]],
    *,
    most: int,
    size: int,
) -> Iterator[Rows]:
    """Yield the rows in order, some at a time; `most` is how many there are in all, or more.

    The columns are those of `aedetect.data.sql.select`, and the order is that of its SQL: entities
    by the bytes of their names, those without a name last; time; file; row.
    """
    table, values = _gathered(batches, categories, most)
    if not table.num_rows:
        return
    rank, names = _ranks(table.column("_entity"))
    time = table.column("_time").to_numpy()
    order = _order(rank, time, table)
    ordered = rank if order is None else rank[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    for some in _batches(begins, len(time), size):
        part = some if order is None else order[some]
        own = ordered[some]
        first = np.flatnonzero(np.diff(own, prepend=-1))
        taken = values[some] if order is None else values.take(order[some], axis=0)
        yield Rows(
            time=time[part],
            entity=np.repeat(
                np.arange(len(first), dtype=np.int32), np.diff(np.append(first, len(own)))
            ),
            names=tuple(names[code] for code in own[first].tolist()),
            values=np.asarray(taken, dtype=np.float64),
        )


def _batches(begins: Int64, count: int, size: int) -> Iterator[slice]:
    """Cut rows into batches: between entities, which begin at some rows, where that is possible.

    Rows of a batch that goes on with an entity are looked at again with those before.

    >>> [(some.start, some.stop) for some in _batches(np.array([0, 3, 5, 16]), 18, 6)]
    [(0, 5), (5, 11), (11, 16), (16, 18)]
    """
    start = 0
    while start < count:
        end = min(start + size, count)
        if end < count:
            last = int(begins[np.searchsorted(begins, end, side="right") - 1])
            end = last if last > start else end
        yield slice(start, end)
        start = end


def _gathered(
    batches: Iterable[pa.RecordBatch], categories: Mapping[str, tuple[str, ...]], most: int
) -> tuple[pa.Table, Float32 | Float64]:
    """Return the keys of all rows, and their values (R, C), which are held once.

    As numbers of 32 bits where the files have no others: half of the memory to take and to fill.
    """
    keys: list[pa.RecordBatch] = []
    values: Float32 | Float64 = np.empty((most, len(categories)), dtype=np.float32)
    done = 0
    for batch in batches:
        end = done + batch.num_rows
        wide = values.dtype == np.float64 or not _is_short(batch, categories)
        # Wider numbers, or a file was replaced by a longer one meanwhile.
        if end > len(values) or wide != (values.dtype == np.float64):
            more = np.empty((max(end, most), len(categories)), np.float64 if wide else np.float32)
            more[:done] = values[:done]
            values = more
        _fill(values[done:end], batch, categories)
        keys.append(batch.select([name for name in _KEYS if name in batch.schema.names]))
        done = end
    return pa.Table.from_batches(keys, None if keys else _EMPTY), values[:done]


def _is_short(batch: pa.RecordBatch, categories: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether numbers of 32 bits hold all values; an index among categories is one."""
    numbers = (n for n, known in enumerate(categories.values()) if not known)
    kinds = {batch.schema.field(f"c{n}").type for n in numbers}
    return all(
        pa.types.is_float32(kind) or (pa.types.is_integer(kind) and kind.bit_width <= _EXACT)
        for kind in kinds
    )


def _fill(
    values: Float32 | Float64, batch: pa.RecordBatch, categories: Mapping[str, tuple[str, ...]]
) -> None:
    """Write the values of a batch into rows (N, C): numbers of a kind together, row by row."""
    floats: dict[pa.DataType, list[int]] = {}
    for index, known in enumerate(categories.values()):
        column = batch.column(f"c{index}")
        if not known and (pa.types.is_float32(column.type) or pa.types.is_float64(column.type)):
            floats.setdefault(column.type, []).append(index)
        else:
            values[:, index] = (
                text_codes(column, known) if known else column.to_numpy(zero_copy_only=False)
            )
    for places in floats.values() if len(batch) else ():
        some = batch.select([f"c{index}" for index in places])
        found = some.to_tensor(null_to_nan=True, row_major=True).to_numpy()
        values[:, slice(None) if len(places) == len(categories) else places] = found


def _ranks(column: pa.ChunkedArray) -> tuple[Int32, list[str | None]]:
    """Return the rank of each row's entity, as SQL orders text by its bytes, and all names.

    Rows without an entity come last.
    """
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    found: list[str | None] = coded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=lambda n: (found[n] is None, (found[n] or "").encode()))
    rank = np.empty(len(found), dtype=np.int32)
    rank[order] = np.arange(len(found), dtype=np.int32)
    return rank[coded.indices.to_numpy()], [found[n] for n in order]


def _order(rank: Int32, time: Int64, table: pa.Table) -> Int64 | None:
    """Return the order of rows by entity and time, and file and row among equals; None as is."""
    order = None
    if not _ascends(rank, time):
        by_time = bool((np.diff(time) >= 0).all())
        few = rank.max() <= np.iinfo(np.int16).max
        key = rank.astype(np.int16) if few else rank  # numpy sorts short integers in linear time
        order = np.argsort(key, kind="stable") if by_time else np.lexsort((time, rank))
        rank, time = rank[order], time[order]
    if ((np.diff(time) == 0) & (np.diff(rank) == 0)).any():
        ties = [table.column(name).to_numpy() for name in ("_row", "_file")]
        keys = ties if order is None else [each[order] for each in ties]
        again = np.lexsort((*keys, time, rank))
        return again if order is None else order[again]
    return order


def _ascends(rank: Int32, time: Int64) -> bool:
    steps = np.diff(rank)
    return bool(((steps > 0) | ((steps == 0) & (np.diff(time) >= 0))).all())


def text_codes(column: pa.Array, known: tuple[str, ...]) -> Float64:
    """Return the index of each text among the known ones, -1 if unknown, NaN if missing."""
    found = pc.fill_null(pc.index_in(column, value_set=pa.array(known, pa.string())), -1)
    codes: Float64 = (
        pc.if_else(column.is_valid(), found, None).cast(pa.float64()).to_numpy(zero_copy_only=False)
    )
    return codes
