"""Read what events are formed from: small columns of flagged/, and more of those at the peaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Bool, Float32, Float64, Int8
from aedetect.output.files import clock_of
from aedetect.output.schemas import IS_MISSING, SEVERITIES
from aedetect.output.table_writer import TableWriter
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aedetect.arrays import Int32, Int64
    from aedetect.output import Origin, OutputFile

_SMALL_COLUMNS = ("timestamp", "entity", "score", "p_value", "severity", "strength", "reason")
_DTYPES = {
    "time": np.int64,
    "entity": np.int32,
    "score": np.float32,
    "p_value": np.float64,
    "severity": np.int8,
    "strength": np.float64,
    "loss": np.bool_,
    "ruled": np.bool_,
    "file": np.int32,
    "row": np.int64,
}
_PEAK_COLUMNS = (
    "threshold",
    "reason",
    "model_name",
    "model_version",
    "calibration_version",
)


@dataclass(frozen=True, kw_only=True)
class FlaggedColumns:
    """Flagged rows of all files, without their causes.

    Sorted by entity, loss and time. Shapes: time (M,) ns; entity (M,) index into `names`; score,
    p_value, severity, strength (M,); loss (M,) whether the row reports the loss of a column; ruled
    (M,) whether a column rule flagged it; file (M,) number of the file of each row; row (M,)
    position in that file; begin (files,) when each file begins, kinds the type of its timestamps.
    """

    time: Int64
    entity: Int32
    names: tuple[str | None, ...]
    score: Float32
    p_value: Float64
    severity: Int8
    strength: Float64
    loss: Bool
    ruled: Bool
    file: Int32
    row: Int64
    begin: Int64
    kinds: tuple[pa.DataType, ...]


def read_flagged_columns(files: Sequence[OutputFile]) -> FlaggedColumns:
    """Read the columns that events are formed from."""
    names: dict[str | None, int] = {}
    tables = [file.read(_SMALL_COLUMNS) for file in files]
    parts = [_columns(tables, numbers, names) for numbers in _alike(tables)]
    columns = {
        key: np.concatenate([np.zeros(0, kind), *(part[key] for part in parts)])
        for key, kind in _DTYPES.items()
    }
    ordered = sorted(names, key=lambda name: (name is not None, name))
    rank = np.empty(max(len(names), 1), dtype=np.int32)
    rank[[names[name] for name in ordered]] = np.arange(len(names))
    columns["entity"] = rank[columns["entity"]]
    keys = ("row", "file", "time", "loss", "entity")
    order = np.lexsort([columns[key] for key in keys])
    kinds = tuple(table.schema.field("timestamp").type for table in tables)
    begin = [
        file.partition.bounds(clock_of(kind))[0] for file, kind in zip(files, kinds, strict=True)
    ]
    return FlaggedColumns(
        names=tuple(ordered),
        begin=np.array(begin, dtype=np.int64),
        kinds=kinds,
        **{key: values[order] for key, values in columns.items()},
    )


def _alike(tables: Sequence[pa.Table]) -> Iterator[list[int]]:
    """Yield the numbers of neighbouring tables of equal columns: each table takes time."""
    for _, same in groupby(range(len(tables)), key=lambda number: tables[number].schema):
        yield list(same)


def _columns(
    tables: Sequence[pa.Table], numbers: Sequence[int], names: dict[str | None, int]
) -> dict[str, np.ndarray]:
    """Return the columns of some tables, whose names get numbers as they come."""
    table = pa.concat_tables(tables[number] for number in numbers).combine_chunks()
    size = np.array([len(tables[number]) for number in numbers])
    entity = table["entity"].combine_chunks().dictionary_encode(null_encoding="encode")
    codes = [names.setdefault(name, len(names)) for name in entity.dictionary.to_pylist()]
    severity = pc.index_in(table["severity"], pa.array(SEVERITIES))
    return {
        "time": to_nanoseconds(table["timestamp"]).to_numpy(),
        "entity": np.array(codes, dtype=np.int32)[entity.indices.to_numpy()],
        "score": table["score"].to_numpy(),
        "p_value": table["p_value"].to_numpy(),
        "severity": severity.to_numpy().astype(np.int8),
        "strength": _strength(table),
        "loss": _losses(table["reason"]),
        "ruled": np.asarray(table["reason"].is_valid().to_numpy(), dtype=np.bool_),
        "file": np.repeat(np.array(numbers, dtype=np.int32), size),
        "row": np.arange(len(table)) - np.repeat(np.cumsum(size) - size, size),
    }


def _strength(table: pa.Table) -> Float64:
    """Return the strength of each row: (M,); files of earlier versions have none."""
    if "strength" not in table.column_names:
        return np.zeros(len(table))
    return np.asarray(pc.fill_null(table["strength"], 0.0).to_numpy())


def _losses(reason: pa.ChunkedArray) -> Bool:
    """Return which rows report the loss of a column: (M,)."""
    lost = pc.fill_null(pc.ends_with(reason, IS_MISSING), fill_value=False)
    return np.asarray(lost.to_numpy(), dtype=np.bool_)


def read_peaks(files: Sequence[OutputFile], file: Int32, row: Int64) -> pa.Table:
    """Read what flagged some rows, given by file and position in it: (S,), (S,) -> S rows.

    At least one row must be given. Columns: threshold, reason and the model versions.
    """
    pieces, positions = [], []
    for number in np.unique(file).tolist():
        chosen = np.flatnonzero(file == number)
        chosen = chosen[np.argsort(row[chosen], kind="stable")]
        pieces += _take_rows(files[number], row[chosen])
        positions.append(chosen)
    joined = pa.concat_tables(pieces, promote_options="permissive")
    return joined.take(pa.array(np.argsort(np.concatenate(positions))))


def _take_rows(file: OutputFile, wanted: Int64) -> list[pa.Table]:
    """Read rows at ascending positions of one file, batch by batch."""
    pieces, before = [], 0
    for batch in file.batches(_PEAK_COLUMNS):
        inside = wanted[(wanted >= before) & (wanted < before + batch.num_rows)]
        if len(inside):
            pieces.append(pa.Table.from_batches([batch.take(pa.array(inside - before))]))
        before += batch.num_rows
    return pieces


def read_ids(file: OutputFile) -> pa.ChunkedArray:
    """Read the event id of each row of a flagged file."""
    return file.read(["event_id"])["event_id"]


def write_ids(
    file: OutputFile, target: Path, ids: pa.Array, *, origin: Origin, marks: Mapping[bytes, bytes]
) -> None:
    """Copy a flagged file, not synced, and set the event of each row."""
    with (
        file.opened() as found,
        TableWriter(target, found.schema, origin, marks, synced=False) as writer,
    ):
        column, before = found.schema.get_field_index("event_id"), 0
        for batch in found.batches:
            new = ids.slice(before, batch.num_rows)
            writer.write(batch.set_column(column, found.schema.field(column), new))
            before += batch.num_rows
