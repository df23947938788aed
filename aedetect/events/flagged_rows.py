"""What events are formed from: the light columns of flagged/, and its rows at the peaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.arrays import Float32, Float64, Int8
from aedetect.output.atomic import TableWriter
from aedetect.output.schemas import SEVERITIES
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aedetect.arrays import Int32, Int64
    from aedetect.output import Origin

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
_BATCH = 65_536  # rows


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


def read_flagged_columns(paths: Sequence[Path]) -> FlaggedColumns:
    """Read the light columns of flagged files."""
    names: dict[str | None, int] = {}
    parts = [_light(path, number, names) for number, path in enumerate(paths)]
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


def _light(path: Path, number: int, names: dict[str | None, int]) -> dict[str, np.ndarray]:
    with path.open("rb") as stream:
        table = pq.ParquetFile(stream).read(columns=list(_LIGHT)).combine_chunks()
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


def read_peaks(paths: Sequence[Path], file: Int32, row: Int64) -> pa.Table:
    """Read what explains some rows, each by its file and its place there: (S,), (S,) -> S rows.

    There is at least one. Columns: threshold, causes, outside and the versions of the model.
    """
    pieces, places = [], []
    for number in np.unique(file).tolist():
        chosen = np.flatnonzero(file == number)
        chosen = chosen[np.argsort(row[chosen], kind="stable")]
        pieces += _rows(paths[number], row[chosen])
        places.append(chosen)
    joined = pa.concat_tables(pieces, promote_options="permissive")
    return joined.take(pa.array(np.argsort(np.concatenate(places))))


def _rows(path: Path, wanted: Int64) -> list[pa.Table]:
    """Read rows at ascending places of one file, batch by batch."""
    pieces, before = [], 0
    with path.open("rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_BATCH, columns=list(_AT_PEAK)):
            inside = wanted[(wanted >= before) & (wanted < before + batch.num_rows)]
            if len(inside):
                pieces.append(pa.Table.from_batches([batch.take(pa.array(inside - before))]))
            before += batch.num_rows
    return [piece.replace_schema_metadata(None) for piece in pieces]


def read_ids(path: Path) -> pa.ChunkedArray:
    """Read the event that each row of a flagged file belongs to."""
    with path.open("rb") as stream:
        return pq.ParquetFile(stream).read(columns=["event_id"])["event_id"]


def write_ids(
    path: Path, target: Path, ids: pa.Array, *, origin: Origin, marks: Mapping[bytes, bytes]
) -> None:
    """Copy a flagged file with the event that each row belongs to."""
    with path.open("rb") as stream:
        parquet = pq.ParquetFile(stream)
        schema = parquet.schema_arrow
        column, before = schema.get_field_index("event_id"), 0
        writer = TableWriter(target, schema, origin, marks)
        for batch in parquet.iter_batches(_BATCH):
            new = ids.slice(before, batch.num_rows)
            writer.write(batch.set_column(column, schema.field(column), new))
            before += batch.num_rows
        writer.close()
