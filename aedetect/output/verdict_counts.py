"""Counts of the verdicts of a partition, kept in the footer of its scores.

Later runs compare what was flagged with what was promised by footers alone. The size is bounded:
of more than MOST_ENTITIES entities only those with most flagged rows are listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aedetect.output.schemas import ANOMALY, NORMAL

VERDICTS_KEY = b"aedetect.verdicts"
MOST_ENTITIES = 200  # in a footer
_FEW = 1_000  # entities that are added up one by one
_WAITING = 64  # tables of counts by entity, before they are added up
_Listed = tuple[list[int], list[list[Any]], int]


@dataclass(frozen=True)
class VerdictCounts:
    """Rows that were judged, normal or anomaly, and flagged. Suppressed rows are not judged."""

    judged: int
    flagged: int
    entities: Mapping[str | None, tuple[int, int]] = field(default_factory=dict)  # flagged most
    complete: bool = False  # whether all entities are listed

    @classmethod
    def of_footer(cls, footer: Mapping[bytes, bytes]) -> VerdictCounts | None:
        """Read the counts; None when a file of an earlier version has none."""
        if VERDICTS_KEY not in footer:
            return None
        judged, flagged, entities, *rest = json.loads(footer[VERDICTS_KEY])
        complete = bool(rest and rest[0])  # files of earlier versions list entities with flags
        return cls(judged, flagged, {name: (n, f) for name, n, f in entities}, complete)


class VerdictCounter:
    """Adds up the verdicts of batches of scores/; in memory is one row per entity."""

    def __init__(self) -> None:
        """Start with no rows."""
        self._tables: list[pa.Table] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the verdicts of a batch with the columns entity and verdict."""
        judged = pa.array([NORMAL, ANOMALY])  # not when it is imported: PyArrow would import pandas
        code = pc.index_in(batch["verdict"], value_set=judged).fill_null(-1).to_numpy()
        coded = batch["entity"].dictionary_encode(null_encoding="encode")
        entity, size = coded.indices.to_numpy(), len(coded.dictionary)
        count = {
            "judged": np.bincount(entity[code >= 0], minlength=size),
            "flagged": np.bincount(entity[code > 0], minlength=size),
        }
        self._tables.append(pa.table({"entity": coded.dictionary, **count}))
        if len(self._tables) >= _WAITING:
            self._tables = [_added(pa.concat_tables(self._tables))]

    def footer(self) -> dict[bytes, bytes]:
        """Return the counts as key-value metadata, equal for equal rows."""
        few = sum(len(table) for table in self._tables) <= _FEW
        total, listed, count = (_few if few else _many)(self._tables)
        return {VERDICTS_KEY: json.dumps([*total, listed, count <= MOST_ENTITIES]).encode()}


def _few(tables: Sequence[pa.Table]) -> _Listed:
    """Return the same as `_many`: of few entities, tables would take most of the time."""
    counts: dict[str | None, list[int]] = {}
    for table in tables:
        names, judged, flagged = (column.to_pylist() for column in table.columns)
        for name, own, marked in zip(names, judged, flagged, strict=True):
            known = counts.setdefault(name, [0, 0])
            known[0] += own
            known[1] += marked
    # By code points, which is the order of bytes, and without a name last.
    some = sorted(counts.items(), key=lambda each: (-each[1][1], each[0] is None, each[0] or ""))
    total = [sum(each[place] for each in counts.values()) for place in (0, 1)]
    return total, [[name, *count] for name, count in some[:MOST_ENTITIES]], len(counts)


def _many(tables: Sequence[pa.Table]) -> _Listed:
    """Return the sums of judged and flagged rows, the entities with most flagged, and how many."""
    table = _added(pa.concat_tables(tables))
    total = [pc.sum(table[name]).as_py() or 0 for name in ("judged", "flagged")]
    some = table.sort_by([("flagged", "descending"), ("entity", "ascending")])
    listed = [list(row.values()) for row in some.slice(0, MOST_ENTITIES).to_pylist()]
    return total, listed, len(some)


def _added(table: pa.Table) -> pa.Table:
    """Add up the counts of each entity."""
    sums = [("judged", "sum"), ("flagged", "sum")]
    found = table.group_by("entity", use_threads=False).aggregate(sums)
    found = found.select(["entity", "judged_sum", "flagged_sum"])
    return found.rename_columns(["entity", "judged", "flagged"])
