"""What events are formed from: the light columns of flagged/, and its rows at the peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.arrays import Float32, Float64, Int8
from aedetect.output.atomic import TableWriter
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aedetect.arrays import Int32, Int64
    from aedetect.output import Origin, OutputFile

_LIGHT = ("timestamp", "entity", "score", "p_value", "severity")
_KINDS = {
    "time": np.int64,
    "entity": np.int32,
    "score": np.float32,
    "p_value": np.float64,
    "severity": np.int8,
    "file": np.int32,
    "row": np.int64,
}
_AT_PEAK = ("threshold", "causes", "outside", "model_name", "model_version", "calibration_version")


@dataclass(frozen=True, kw_only=True)
class FlaggedColumns:
    """Flagged rows of all files, ordered by entity and time, without what explains them.

    Shapes: time (M,) ns; entity (M,) index into `names`; score, p_value, severity (M,); file (M,)
    the number of the file that each row is in, row (M,) its place there.
    """

    time: Int64
    entity: Int32
    names: tuple[str | None, ...]
    score: Float32
    p_value: Float64
    severity: Int8
    file: Int32
    row: Int64


def read_flagged_columns(files: Sequence[OutputFile]) -> FlaggedColumns:
    """Read the light columns of flagged files."""
    names: dict[str | None, int] = {}
    parts = [_light(file, number, names) for number, file in enumerate(files)]
    columns = {
        key: np.concatenate([np.zeros(0, kind), *(part[key] for part in parts)])
        for key, kind in _KINDS.items()
    }
    ordered = sorted(names, key=lambda name: (name is not None, name))
    rank = np.empty(max(len(names), 1), dtype=np.int32)
    rank[[names[name] for name in ordered]] = np.arange(len(names))
    columns["entity"] = rank[columns["entity"]]
    keys = (columns["row"], columns["file"], columns["time"], columns["entity"])
    order = np.lexsort(keys)
    return FlaggedColumns(
        names=tuple(ordered), **{key: values[order] for key, values in columns.items()}
    )


def _light(file: OutputFile, number: int, names: dict[str | None, int]) -> dict[str, np.ndarray]:
    table = file.read(_LIGHT).combine_chunks()
    time = table["timestamp"]
    entity = table["entity"].combine_chunks().dictionary_encode(null_encoding="encode")
    codes = [names.setdefault(name, len(names)) for name in entity.dictionary.to_pylist()]
    severity = pa.compute.index_in(table["severity"], pa.array(SEVERITIES))
    return {
        "time": to_nanoseconds(time).to_numpy(),
        "entity": np.array(codes, dtype=np.int32)[entity.indices.to_numpy()],
        "score": table["score"].to_numpy(),
        "p_value": table["p_value"].to_numpy(),
        "severity": severity.to_numpy().astype(np.int8),
        "file": np.full(len(table), number, dtype=np.int32),
        "row": np.arange(len(table), dtype=np.int64),
    }


def read_peaks(files: Sequence[OutputFile], file: Int32, row: Int64) -> pa.Table:
    """Read what explains some rows, each by its file and its place there: (S,), (S,) -> S rows.

    There is at least one. Columns: threshold, causes, outside and the versions of the model.
    """
    pieces, places = [], []
    for number in np.unique(file).tolist():
        chosen = np.flatnonzero(file == number)
        chosen = chosen[np.argsort(row[chosen], kind="stable")]
        pieces += _rows(files[number], row[chosen])
        places.append(chosen)
    joined = pa.concat_tables(pieces, promote_options="permissive")
    return joined.take(pa.array(np.argsort(np.concatenate(places))))


def _rows(file: OutputFile, wanted: Int64) -> list[pa.Table]:
    """Read rows at ascending places of one file, batch by batch."""
    pieces, before = [], 0
    for batch in file.batches(_AT_PEAK):
        inside = wanted[(wanted >= before) & (wanted < before + batch.num_rows)]
        if len(inside):
            pieces.append(pa.Table.from_batches([batch.take(pa.array(inside - before))]))
        before += batch.num_rows
    return pieces


def read_ids(file: OutputFile) -> pa.ChunkedArray:
    """Read the event that each row of a flagged file belongs to."""
    return file.read(["event_id"])["event_id"]


def write_ids(
    file: OutputFile, target: Path, ids: pa.Array, *, origin: Origin, marks: Mapping[bytes, bytes]
) -> None:
    """Copy a flagged file with the event that each row belongs to."""
    schema = file.schema()
    column, before = schema.get_field_index("event_id"), 0
    writer = TableWriter(target, schema, origin, marks)
    for batch in file.batches():
        new = ids.slice(before, batch.num_rows)
        writer.write(batch.set_column(column, schema.field(column), new))
        before += batch.num_rows
    writer.close()
