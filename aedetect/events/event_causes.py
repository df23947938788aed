"""The causes of a whole event: the largest blame that each column has in any of its rows.

A fault moves from column to column, and the row at the peak shows where it was then. Over the rows
together, the columns that experts blame come first more often (benchmarks/causes.py, "event").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Bool, Float64, Int32, Int64
from aedetect.output.schemas import CAUSE, CAUSES, OUTSIDE

if TYPE_CHECKING:
    from aedetect.output import OutputFile

MAX_ROWS = 1_000  # rows of an event that are read, the rarest; it may last for weeks
_TOGETHER = 4_096  # rows whose causes are compared at a time: each table takes time
_COLUMNS = ("causes", "outside", "blame")
_LEAST = 1e-30  # of the blame of a row: one without blame still has shares
_LIMITS = ("outside_feature", "low", "high")


@dataclass(frozen=True, kw_only=True)
class EventRows:
    """Flagged rows of some events, the rarest of each.

    Shapes: K rows; event (K,) number of the event, from 0; file (K,) number of the file; row (K,)
    position in it; leads (K,) whether the first cause of the row is the first of its event.
    """

    event: Int64
    file: Int32
    row: Int64
    leads: Bool


def gather_causes(files: Sequence[OutputFile], rows: EventRows, count: int) -> pa.Table:
    """Return the causes of each event, and which of them are outside their limits: `count` rows.

    Columns: causes and outside, as in flagged/; null where no row has causes. The observed and the
    expected value and the limits of a column are those of the row in which its blame is largest.
    Shares are those of these largest blames, and sum to 1. Memory is bounded by the events and
    columns, however many rows they have.
    """
    pieces = [
        _cells(table.combine_chunks().to_batches()[0], rows.event[own], rows.leads[own])
        for table, own in _chosen_rows(files, rows)
    ]
    if not pieces:
        return pa.table({"causes": pa.nulls(count, CAUSES), "outside": pa.nulls(count, OUTSIDE)})
    return _as_lists(_largest(pa.concat_tables(pieces)), count)


def _chosen_rows(files: Sequence[OutputFile], rows: EventRows) -> Iterator[tuple[pa.Table, Int64]]:
    """Yield the causes of some of the rows, and which rows they are, by file and position."""
    held: list[tuple[pa.RecordBatch, Int64]] = []
    for batch, mine in _taken_rows(files, rows):
        enough = sum(len(each) for _, each in held) >= _TOGETHER
        if held and (enough or held[0][0].schema != batch.schema):
            yield _together(held)
            held = []
        held.append((batch, mine))
    if held:
        yield _together(held)


def _together(held: Sequence[tuple[pa.RecordBatch, Int64]]) -> tuple[pa.Table, Int64]:
    batches, places = zip(*held, strict=True)
    return pa.Table.from_batches(batches), np.concatenate(places)


def _taken_rows(
    files: Sequence[OutputFile], rows: EventRows
) -> Iterator[tuple[pa.RecordBatch, Int64]]:
    """Yield the rows of each file that are wanted, batch by batch."""
    for number in np.unique(rows.file).tolist():
        own = np.flatnonzero(rows.file == number)
        own = own[np.argsort(rows.row[own], kind="stable")]
        before = 0
        for batch in files[number].batches(_COLUMNS):
            begin, end = np.searchsorted(rows.row[own], [before, before + batch.num_rows])
            mine = own[begin:end]
            if len(mine):
                yield batch.take(pa.array(rows.row[mine] - before)), mine
            before += batch.num_rows


def _cells(batch: pa.RecordBatch, event: Int64, leads: Bool) -> pa.Table:
    """Return the largest cell of each event and column among some rows, a row each."""
    causes, outside = batch["causes"], batch["outside"]
    parent = pc.list_parent_indices(causes).to_numpy()
    flat = causes.flatten()
    blame = np.maximum(_blame(batch)[parent], _LEAST)
    first = np.diff(parent, prepend=-1) != 0
    cells = pa.table(
        {
            "event": pa.array(event[parent]),
            "leads": pa.array(leads[parent] & first),
            "size": pa.array(pc.struct_field(flat, "share").to_numpy(zero_copy_only=False) * blame),
            "parent": pa.array(parent),
            **{name: pc.struct_field(flat, name) for name in CAUSE.names if name != "share"},
        }
    )
    return _with_limits(_largest(cells), outside).drop_columns("parent")


def _blame(batch: pa.RecordBatch) -> Float64:
    """Return the blame of each row: (M,); files of earlier versions have none."""
    if "blame" not in batch.schema.names:
        return np.ones(batch.num_rows)
    return np.asarray(pc.fill_null(batch["blame"], 0.0).to_numpy(zero_copy_only=False))


def _largest(cells: pa.Table) -> pa.Table:
    """Return the cells with the largest blame of each event and column, of equal ones the first."""
    feature = cells["feature"].combine_chunks().dictionary_encode()
    code = feature.indices.to_numpy()
    event, leads, size = (
        cells[name].to_numpy(zero_copy_only=False) for name in ("event", "leads", "size")
    )
    order = np.lexsort((-size, ~leads, code, event))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(event[order]) != 0) | (np.diff(code[order]) != 0)
    return cells.take(pa.array(order[new]))


def _with_limits(cells: pa.Table, outside: pa.ListArray) -> pa.Table:
    """Add the entry of `outside` of the same row and column, null where it is inside."""
    flat = outside.flatten()
    parent = pc.list_parent_indices(outside).to_numpy()
    feature = pc.struct_field(flat, "feature")
    names = pa.chunked_array([*cells["feature"].chunks, feature], pa.string())
    encoded = names.combine_chunks().dictionary_encode()
    # A text column is "state=off" among the causes, "state=on" among what is outside.
    bases = [name.partition("=")[0] for name in encoded.dictionary.to_pylist()]
    known = {base: code for code, base in enumerate(dict.fromkeys(bases))}
    code = np.array([known[base] for base in bases], dtype=np.int64)[encoded.indices.to_numpy()]
    wide = max(len(known), 1)
    wanted = cells["parent"].to_numpy() * wide + code[: len(cells)]
    keys = parent * wide + code[len(cells) :]
    order = np.argsort(keys, kind="stable")
    place = np.searchsorted(keys[order], wanted)
    found = np.append(keys[order], -1)[place] == wanted
    taken = pa.array(np.append(order, 0)[place], mask=~found)
    entries = [pc.struct_field(flat, name).take(taken) for name in ("feature", "low", "high")]
    for name, values in zip(_LIMITS, entries, strict=True):
        cells = cells.append_column(name, values)
    return cells


def _as_lists(cells: pa.Table, count: int) -> pa.Table:
    """Return the cells of each event as two lists, the largest blame first."""
    event, leads, size = (
        cells[name].to_numpy(zero_copy_only=False).copy() for name in ("event", "leads", "size")
    )
    most = np.zeros(count)
    np.maximum.at(most, event, size)
    size[leads] = most[event[leads]]  # the column of the rule that flagged the peak
    order = np.lexsort((_ranks(_joined(cells, "feature")), -size, ~leads, event))
    cells, event, size = cells.take(pa.array(order)), event[order], size[order]
    share = size / np.bincount(event, weights=size, minlength=count)[event]
    structs = [pa.array(share) if n == "share" else _joined(cells, n) for n in CAUSE.names]
    causes = _lists(pa.StructArray.from_arrays(structs, fields=list(CAUSE)), event, count)
    out = cells["outside_feature"].is_valid().to_numpy()
    limits = [_joined(cells.filter(pa.array(out)), name) for name in _LIMITS]
    entries = pa.StructArray.from_arrays(limits, fields=list(OUTSIDE.value_type))
    empty = np.bincount(event, minlength=count) == 0
    return pa.table(
        {
            "causes": pc.if_else(pa.array(empty), pa.scalar(None, CAUSES), causes),
            "outside": _lists(entries, event[out], count).cast(OUTSIDE),
        }
    )


def _ranks(names: pa.StringArray) -> Int64:
    """Return the place of each name in the alphabet; equal blame is ordered by it."""
    encoded = names.dictionary_encode()
    ranks = pc.rank(encoded.dictionary, tiebreaker="dense").to_numpy()
    return np.asarray(ranks[encoded.indices.to_numpy()], dtype=np.int64)


def _joined(cells: pa.Table, name: str) -> pa.Array:
    return cells[name].combine_chunks()


def _lists(structs: pa.StructArray, event: Int64, count: int) -> pa.ListArray:
    """Return the structs of each event, in order of the events, as a list: `count` lists."""
    offsets = np.concatenate([[0], np.bincount(event, minlength=count).cumsum()])
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), structs)
