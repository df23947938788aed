"""The scores of a time range as a grid, entities x cells of time, and the counts of its rows.

One pass over scores/ adds up the rows by entity, cell, verdict and reason in DuckDB. What stays in
memory are these sums: their number does not depend on that of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.arrays import Float64, Int64
from aedetect.data import open_engine
from aedetect.output import list_files
from aedetect.output.partitions import SCORES, Span
from aedetect.output.schemas import ANOMALY, NOT_SCORED, SUPPRESSED
from aedetect.output.scratch import temporary_folder
from aedetect.report.axis import Axis
from aedetect.timestamps import to_nanoseconds

if TYPE_CHECKING:
    import duckdb

    from aedetect.output import OutputFile

_ENGINE_MB = 500
_COLUMNS = ["timestamp", "entity", "p_value", "verdict", "reason"]
_BATCH = 262_144  # rows
_SCHEMA = pa.schema(
    {
        "time": pa.int64(),
        "entity": pa.string(),
        "p_value": pa.float64(),
        "verdict": pa.string(),
        "reason": pa.string(),
    }
)
MAX_LANES = 100  # entities with a lane of their own, the worst


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What was scored, by entity and time. Shapes: E entities, the worst first, C cells."""

    axis: Axis
    entities: tuple[str | None, ...]  # with a lane, the worst first: (E,)
    rarest: Float64  # (E, C) smallest p-value; NaN without a scored row
    rows: Int64  # (E, C)
    unscored: Int64  # (E, C) rows without a score
    overall: Float64  # (C,) smallest p-value of all entities, those without a lane too
    overall_rows: Int64  # (C,)
    known: int  # entities in all
    counts: Mapping[str, int] = field(default_factory=dict)  # rows by verdict
    not_scored: Mapping[str, int] = field(default_factory=dict)  # rows by reason
    suppressed: Mapping[str, int] = field(default_factory=dict)  # rows by reason


def read_grid(
    output: Path, axis: Axis, *, first: Sequence[str | None] = (), most: int = MAX_LANES
) -> Grid:
    """Read scores/ within an axis.

    Lanes go to the entities of `first`, in its order, then to those with the rarest rows.
    Raises OutputError when a file cannot be read.
    """
    files = list_files(output, SCORES, span=Span(axis.start, axis.end))
    with (
        temporary_folder() as scratch,
        open_engine(memory_mb=_ENGINE_MB, threads=2, scratch=scratch) as engine,
    ):
        _add_up(engine, files, axis)
        return _grid(engine, axis, first=first, most=most)


def _add_up(engine: duckdb.DuckDBPyConnection, files: Sequence[OutputFile], axis: Axis) -> None:
    reader = pa.RecordBatchReader.from_batches(_SCHEMA, _batches(files))
    engine.register("scores", reader)
    told = f"verdict IN ('{NOT_SCORED}', '{SUPPRESSED}')"
    engine.execute(
        f"CREATE TEMP TABLE sums AS SELECT entity, (time - {axis.start}) // {axis.step} AS cell, "
        f"verdict, CASE WHEN {told} THEN reason END AS reason, count(*) AS n, min(p_value) AS p "
        f"FROM scores WHERE time >= {axis.start} AND time < {axis.end} GROUP BY ALL"
    )


def _batches(files: Sequence[OutputFile]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of files with the times as integers, whatever their unit and zone."""
    for file in files:
        for batch in file.batches(_COLUMNS, size=_BATCH):
            columns = [to_nanoseconds(batch["timestamp"]), *(batch[n] for n in _COLUMNS[1:])]
            yield pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _grid(
    engine: duckdb.DuckDBPyConnection, axis: Axis, *, first: Sequence[str | None], most: int
) -> Grid:
    by_entity = engine.sql(
        "SELECT entity, min(p) AS p, sum(CASE WHEN verdict = "
        f"'{ANOMALY}' THEN n ELSE 0 END) AS flagged FROM sums GROUP BY entity "
        "ORDER BY p NULLS LAST, flagged DESC, entity NULLS FIRST"
    ).to_arrow_table()
    names = by_entity["entity"].to_pylist()
    there = set(names)
    ranked = [name for name in dict.fromkeys(first) if name in there]
    lanes = list(dict.fromkeys([*ranked, *names]))[:most]
    cells = engine.sql(
        "SELECT entity, cell, min(p) AS p, sum(n)::BIGINT AS n, sum(CASE WHEN verdict = "
        f"'{NOT_SCORED}' THEN n ELSE 0 END)::BIGINT AS unscored FROM sums GROUP BY entity, cell"
    ).to_arrow_table()
    overall, overall_rows = np.full(axis.cells, np.nan), np.zeros(axis.cells, dtype=np.int64)
    cell, p = _numbers(cells, "cell"), cells["p"].to_numpy()
    np.fmin.at(overall, cell, p)
    np.add.at(overall_rows, cell, _numbers(cells, "n"))
    lane = pc.index_in(cells["entity"], pa.array(lanes, pa.string())).to_numpy()
    own = np.flatnonzero(~np.isnan(lane.astype(float)))
    at = lane[own].astype(np.int64), cell[own]
    shape = (len(lanes), axis.cells)
    rarest, rows, unscored = np.full(shape, np.nan), np.zeros(shape, int), np.zeros(shape, int)
    rarest[at], rows[at] = p[own], _numbers(cells, "n")[own]
    unscored[at] = _numbers(cells, "unscored")[own]
    return Grid(
        axis=axis,
        entities=tuple(lanes),
        rarest=rarest,
        rows=rows,
        unscored=unscored,
        overall=overall,
        overall_rows=overall_rows,
        known=len(names),
        counts=_counts(engine, "verdict", where="true"),
        not_scored=_counts(engine, "reason", where=f"verdict = '{NOT_SCORED}'"),
        suppressed=_counts(engine, "reason", where=f"verdict = '{SUPPRESSED}'"),
    )


def _numbers(table: pa.Table, name: str) -> Int64:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _counts(engine: duckdb.DuckDBPyConnection, column: str, *, where: str) -> dict[str, int]:
    """Return rows by a text, the most frequent first."""
    found = engine.sql(
        f"SELECT coalesce({column}, '') AS text, sum(n)::BIGINT AS n FROM sums WHERE {where} "
        "GROUP BY 1 ORDER BY n DESC, text"
    ).fetchall()
    return dict(found)
