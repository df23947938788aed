"""The sums of partitions, read a day at a time: memory does not grow with the days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.drift.added_cells import CELLS, DISTRIBUTIONS, AddedCells
from aedetect.drift.partition_sums import DRIFT
from aedetect.drift.sums_table import ALL
from aedetect.output import OutputFile, list_files
from aedetect.output.catalog import read_footers
from aedetect.output.partitions import Span
from aedetect.wall_clock import WallClock

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Float64

_UNSEEN = 0.01  # share of unknown categories
_HISTORY = 92  # days that are read
_HOURLY_HISTORY = 14  # where a day has a file for each hour
_BLOCK = "block_days"
_LIMIT = "score_limit"
SCORES = ("rows", "whole_day", "bets", "log_p", "log_score", "usual_log_score", _LIMIT)


@dataclass(frozen=True)
class Block:
    """A day, or several where rows are hours apart; until: the last of them."""

    day: str
    until: str
    files: tuple[OutputFile, ...]

    @property
    def first(self) -> int:
        """The first day, since year 1."""
        return date.fromisoformat(self.day).toordinal()

    @property
    def last(self) -> int:
        """The last day, since year 1."""
        return date.fromisoformat(self.until).toordinal()

    def overlaps(self, span: Span, clock: WallClock) -> bool:
        """Whether rows of it are of a span."""
        return any(span.covers(file.partition, clock) for file in self.files)

    def sums(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return a row for each entity, and one for each column of each, without distributions."""
        import pandas as pd  # takes time to import

        alone = len(self.files) == 1
        names = dict.fromkeys((*SCORES, *CELLS, *(() if alone else DISTRIBUTIONS)))
        scores, cells, added = [], [], AddedCells()
        for file in self.files:
            for own, columns in _batches(file, tuple(names)):
                scores.append(own.select(["entity", *SCORES]).to_pandas())
                if alone:
                    cells.append(columns.select(["entity", "column", *CELLS]).to_pandas())
                else:
                    added.add(columns)
        if not alone:
            return _added_scores(pd.concat(scores, ignore_index=True)), added.table()
        return pd.concat(scores, ignore_index=True), pd.concat(cells, ignore_index=True)

    def distributions(self, entities: Collection[str]) -> AddedCells:
        """Return the columns of some entities with their distributions."""
        added = AddedCells()
        for file in self.files:
            names = (*CELLS, *DISTRIBUTIONS, "edges")
            for _, part in _batches(file, names, only=entities):
                added.add(part)
        return added


def read_blocks(output: Path, *, span: Span, clock: WallClock) -> list[Block]:
    """Return the last days of a span, of the version that scored the last of them alone.

    What others were trained on is another normal. Raises OutputError for a damaged file.
    """
    files = [file for file in list_files(output, DRIFT) if span.covers(file.partition, clock)]
    hourly = any(file.partition.by == "hour" for file in files)
    files = _of_last_version(_last_days(files, _HOURLY_HISTORY if hourly else _HISTORY))
    if not files:
        return []
    size = _block_days(files[-1])
    blocks: dict[int, list[OutputFile]] = {}
    for file in files:
        blocks.setdefault(date.fromisoformat(_day(file)).toordinal() // size, []).append(file)
    return [Block(_day(own[0]), _day(own[-1]), tuple(own)) for own in blocks.values()]


def missing_shares(blocks: Sequence[Block]) -> dict[str, float]:
    """Return the share of rows without a value on the two newest days, by column, of all."""
    missing: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    names = ["scope", "column", "missing", "rows"]
    for block in blocks[-2:]:
        for file in block.files:
            table = file.read(names)
            chosen = pc.and_(pc.equal(table["scope"], ALL), pc.is_valid(table["column"]))
            for row in table.filter(chosen).to_pylist():
                missing[row["column"]] += row["missing"]
                rows[row["column"]] += row["rows"]
    return {name: missing[name] / max(count, 1) for name, count in rows.items()}


def ratios(table: pd.DataFrame) -> dict[str, Float64]:
    """Return how far columns are, in units of their limit: (N,) each."""
    rows = np.maximum(table["rows"].to_numpy(dtype=float), 1.0)
    missing, unseen = (table[each].to_numpy(dtype=float) / rows for each in ("missing", "unseen"))
    return {
        "distribution": table["psi"].to_numpy() / table["psi_limit"].to_numpy(),
        "missing": missing / table["missing_limit"].to_numpy(),
        "unseen": unseen / _UNSEEN,
    }


def _last_days(files: Sequence[OutputFile], count: int) -> list[OutputFile]:
    days = sorted({_day(file) for file in files})[-count:]
    return [file for file in files if _day(file) in days]


def _of_last_version(files: list[OutputFile]) -> list[OutputFile]:
    """Return the files of the model that the last one is of."""
    versions = [origin.model_version for origin, _ in read_footers(files)]
    return [file for file, own in zip(files, versions, strict=True) if own == versions[-1]]


def _block_days(file: OutputFile) -> int:
    """Return how many days are judged together; one in files of before."""
    if _BLOCK not in file.schema().names:
        return 1
    found = file.read([_BLOCK])[_BLOCK]
    return int(found[0].as_py()) if len(found) else 1


def _day(file: OutputFile) -> str:
    return str(file.partition)[:10]


def _batches(
    file: OutputFile, names: Sequence[str], *, only: Collection[str] | None = None
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield rows of entities and rows of columns, of some entities alone if asked.

    A table without entities has one that is called "".
    """
    there = set(file.schema().names)
    for batch in file.batches(["scope", "entity", "column", *(n for n in names if n in there)]):
        chosen = pc.not_equal(batch["scope"], ALL)
        owner = pc.fill_null(batch["entity"], "")
        if only is not None:
            known = pc.is_in(owner, value_set=pa.array(sorted(only), pa.string()))
            chosen = pc.and_(chosen, known)
        table = pa.Table.from_batches([batch]).set_column(1, "entity", owner)
        if _LIMIT in names and _LIMIT not in there:  # files of before
            table = table.append_column(_LIMIT, pa.repeat(pa.scalar(0.0), len(table)))
        table, columns = table.filter(chosen), pc.is_valid(batch["column"]).filter(chosen)
        yield table.filter(pc.invert(columns)), table.filter(columns)


def _added_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Add up the rows of entities over the files of a block; the mean score by rows."""
    weight = table["rows"].where(table["log_score"].notna(), 0)
    table = table.assign(log_score=table["log_score"] * weight, weight=weight)
    grouped = table.groupby("entity", sort=False)
    first = grouped.first()
    first[["rows", "bets", "log_p"]] = grouped[["rows", "bets", "log_p"]].sum()
    first["log_score"] = grouped["log_score"].sum() / grouped["weight"].sum()
    return first.reset_index().drop(columns="weight")
