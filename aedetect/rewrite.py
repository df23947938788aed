"""A table in, the same table out with some cells changed, in bounded memory.

Two queries give the rows in the same order: one the features, as scoring reads them, the other
all columns as they are. So every cell that is not asked for comes out bit by bit as it went in.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.cells import Originals, replace_cells
from aedetect.errors import SchemaMismatch
from aedetect.ingest import engine, read, readable
from aedetect.parts import parts
from aedetect.schema import nearest
from aedetect.sql import Query
from aedetect.window import surrounded

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.files import SourceFile
    from aedetect.ingest import Bool, Float, Int, Rows
    from aedetect.schema import Schema
    from aedetect.sink import Origin

ENGINE_MB = 250  # memory of each of the two DuckDBs; they sort on disk beyond it
NO_TIME = "timestamp is missing"


@dataclass(frozen=True)
class Reach:
    """The rows around a row that count for it."""

    behind: int  # rows
    ahead: int  # rows
    lookback: int  # ns before it


@dataclass(frozen=True, kw_only=True)
class Change:
    """New values for rows: values (R, F) in original units, wanted (R, F) where they would go.

    `reason` (R,) is the index in `reasons` of why a row has to stay as it is, else -1.
    """

    values: Float
    wanted: Bool
    reason: Int
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which cells may change: of these features (F,), at moments of [since, until) ns."""

    features: Bool
    since: int | None = None
    until: int | None = None

    def cells(self, time: Int) -> Bool:
        """Say which cells may change: (R,) -> (R, F)."""
        rows = np.ones(len(time), dtype=np.bool_)
        if self.since is not None:
            rows &= time >= self.since
        if self.until is not None:
            rows &= time < self.until
        return rows[:, None] & self.features


@dataclass(kw_only=True)
class Tally:
    """What became of the rows so far."""

    rows: int = 0  # in the table
    cells: int = 0  # changed
    changed: int = 0  # rows with a changed cell
    left: dict[str, int] = field(default_factory=dict)  # rows that had to stay, by reason

    def leave(self, reason: str, rows: int) -> None:
        """Count rows that had to stay as they were."""
        if rows:
            self.left[reason] = self.left.get(reason, 0) + rows


def rewrite(
    files: Sequence[SourceFile],
    change: Callable[[Rows], Change],
    *,
    schema: Schema,
    reach: Reach,
    asked: Asked,
    target: Path,
    origin: Origin,
) -> Tally:
    """Write the rows of the files, ordered by entity and time, with the asked cells changed.

    The target is a file when it is named *.parquet, else a folder of files part-N.parquet.
    """
    tally = Tally()
    query = Query(
        files=files,
        timestamp=schema.timestamp,
        entity=schema.entity,
        categories={feature.name: feature.categories for feature in schema.features},
    )
    with (
        tempfile.TemporaryDirectory(prefix="aedetect-") as scratch,
        engine(memory_mb=ENGINE_MB, scratch=Path(scratch)) as numbers,
        engine(memory_mb=ENGINE_MB, scratch=Path(scratch)) as columns,
        readable(files),
    ):
        originals = Originals(columns, query)
        with parts(target, originals.schema, origin) as writer:
            for rows, turn in surrounded(read(numbers, query), **asdict(reach)):
                table = originals.take(turn.stop - turn.start)
                cells = asked.cells(rows.time[turn])
                writer.write(_changed(table, change(rows), turn, cells, schema, tally))
            for table in originals.rest():
                tally.rows += table.num_rows
                tally.leave(NO_TIME, table.num_rows)
                writer.write(table)
    return tally


def choose(schema: Schema, named: Sequence[str], *, default: Bool) -> Bool:
    """Return which features are named, or the default: (F,). Raises SchemaMismatch for others."""
    for name in named:
        if name not in schema.names:
            raise SchemaMismatch(
                f'--columns must name features of the detector, however: "{name}"'
                f"{nearest(name, schema.names)}; there are {', '.join(schema.names)}"
            )
    return np.isin(schema.names, named) if named else default


def _changed(
    table: pa.Table, change: Change, turn: slice, asked: Bool, schema: Schema, tally: Tally
) -> pa.Table:
    """Put the new values of the rows whose turn it is into their table, and count them."""
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
