"""Rewrite a table with some cells changed, in bounded memory.

Two queries return the rows in the same order: one reads the features, as scoring does, the other
all columns unchanged. All cells that are not requested are therefore identical to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.applications.cells import Originals, replace_cells
from aedetect.applications.writer import open_parts
from aedetect.data import Query, open_engine, read_rows
from aedetect.data.reader import reading
from aedetect.data.schema import suggest_nearest
from aedetect.errors import SchemaMismatch
from aedetect.output.scratch import temporary_folder
from aedetect.preprocessing.windows import surrounded

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.arrays import Bool, Float64, Int64
    from aedetect.data import Rows, Schema, SourceFile
    from aedetect.output import Origin

_ENGINE_MB = 250  # memory of each of the two DuckDB connections; they sort on disk beyond it
NO_TIME = "timestamp is missing"


@dataclass(frozen=True)
class Context:
    """The rows around a row that affect it."""

    behind: int  # rows
    ahead: int  # rows
    lookback: int  # ns before it


@dataclass(frozen=True, kw_only=True)
class CellChange:
    """New values for rows: values (R, F) in original units, wanted (R, F) the cells to replace.

    `reason` (R,) is the index in `reasons` of why a row must stay unchanged, else -1.
    """

    values: Float64
    wanted: Bool
    reason: Int64
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RewriteRequest:
    """Which cells may change: of these features (F,), at timestamps in [since, until) ns."""

    features: Bool
    since: int | None = None
    until: int | None = None

    def cells(self, time: Int64) -> Bool:
        """Return which cells may change: (R,) -> (R, F)."""
        rows = np.ones(len(time), dtype=np.bool_)
        if self.since is not None:
            rows &= time >= self.since
        if self.until is not None:
            rows &= time < self.until
        return rows[:, None] & self.features


@dataclass(kw_only=True)
class RewriteCounts:
    """Counts of the rows processed so far."""

    rows: int = 0  # in the table
    cells: int = 0  # changed
    changed: int = 0  # rows with a changed cell
    left: dict[str, int] = field(default_factory=dict)  # rows that stay unchanged, by reason

    def leave(self, reason: str, rows: int) -> None:
        """Count rows that stay unchanged."""
        if rows:
            self.left[reason] = self.left.get(reason, 0) + rows


def rewrite_table(
    files: Sequence[SourceFile],
    change: Callable[[Rows], CellChange],
    *,
    schema: Schema,
    reach: Context,
    asked: RewriteRequest,
    target: Path,
    origin: Origin,
) -> RewriteCounts:
    """Write the rows of the files, ordered by entity and time, with the requested cells changed.

    The target is a file if it is named *.parquet, else a folder of files part-N.parquet.
    """
    tally = RewriteCounts()
    query = Query.of(schema, files, levels=True)
    with (
        temporary_folder() as scratch,
        open_engine(memory_mb=_ENGINE_MB, scratch=scratch, files=files) as numbers,
        open_engine(memory_mb=_ENGINE_MB, scratch=scratch, files=files) as columns,
        reading(files),
    ):
        originals = Originals(columns, query)
        with open_parts(target, originals.schema, origin) as writer:
            for rows, turn in surrounded(read_rows(numbers, query), **asdict(reach)):
                table = originals.take(turn.stop - turn.start)
                cells = asked.cells(rows.time[turn])
                writer.write(_changed(table, change(rows), turn, cells, schema, tally))
            for table in originals.rest():
                tally.rows += table.num_rows
                tally.leave(NO_TIME, table.num_rows)
                writer.write(table)
    return tally


def choose_columns(schema: Schema, named: Sequence[str], *, default: Bool) -> Bool:
    """Return which features are named, or the default: (F,). Raises SchemaMismatch for others."""
    for name in named:
        if name not in schema.names:
            raise SchemaMismatch(
                f'--columns must name features of the detector, got "{name}"'
                f"{suggest_nearest(name, schema.names)}; there are {', '.join(schema.names)}"
            )
    return np.isin(schema.names, named) if named else default


def _changed(
    table: pa.Table,
    change: CellChange,
    turn: slice,
    asked: Bool,
    schema: Schema,
    tally: RewriteCounts,
) -> pa.Table:
    """Put the new values of the current rows into their table, and count them."""
    reason, wanted = change.reason[turn], change.wanted[turn] & asked
    stays = reason >= 0
    replaced = wanted & ~stays[:, None]
    tally.rows += table.num_rows
    tally.cells += int(replaced.sum())
    tally.changed += int(replaced.any(axis=1).sum())
    counts = np.bincount(reason[stays & wanted.any(axis=1)], minlength=len(change.reasons))
    for text, count in zip(change.reasons, counts.tolist(), strict=True):
        tally.leave(text, count)
    return replace_cells(table, schema.features, change.values[turn], replaced)
