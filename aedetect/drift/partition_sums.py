"""The sums of one partition: a function of its rows and of the detector, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from aedetect.arrays import Float32, Float64, Int8, Int64
from aedetect.data import Rows
from aedetect.data.rows import concatenated
from aedetect.drift.betting import log_p_values
from aedetect.drift.binning import BINS, betting, binned, counted, scaled_values, thinned
from aedetect.drift.columns import exact
from aedetect.drift.sums_table import ALL, EntitySums, NamedSums, SumsTable

if TYPE_CHECKING:
    import pyarrow as pa

    from aedetect.drift.profile import Profile
    from aedetect.preprocessing import Preparation

DRIFT = "drift"  # the kind of output
_BLOCK = 2_000_000  # cells at a time
_HELD = 2**16  # cells of finished entities that wait for each other, 0.5 MiB of each partition
_ROWS = 4_096  # that wait to be counted together: a few rows take as long
_TOGETHER = 2**19  # cells of several partitions whose rows are made in one go, 4 MiB


@dataclass
class PartitionSums:
    """Sums over the rows of a partition, which come entity after entity.

    Of an entity that is finished only the rows of the output are kept, of a wide table those of the
    columns that have moved most: memory does not grow with entities times columns.
    """

    profile: Profile
    preparation: Preparation
    period: int
    length: int
    _open: tuple[str | None, int, EntitySums] | None = None
    _chosen: list[tuple[Rows, Float32, Float64]] = field(default_factory=list)
    waiting: list[NamedSums] = field(default_factory=list)
    done: list[pa.RecordBatch] = field(default_factory=list)
    total: EntitySums | None = None  # over the entities that are finished

    def add(self, rows: Rows, score: Float32, p_value: Float64) -> None:
        """Add rows with their scores, NaN where there is none: (R,)."""
        chosen = thinned(rows.time, period=self.period)
        bets = betting(rows.time, period=self.period, length=self.length)
        chosen |= bets
        if not chosen.any():
            return
        bet_on = np.where(bets, p_value, np.nan)[chosen]
        self._chosen.append((rows.take(chosen), score[chosen], bet_on))
        if sum(len(part) for part, _, _ in self._chosen) >= _ROWS:
            self._add_chosen()

    def _add_chosen(self) -> None:
        """Add the rows that wait, in blocks of entities."""
        if not self._chosen:
            return
        parts, scores, p_values = zip(*self._chosen, strict=True)
        self._chosen.clear()
        part, score, p_value = concatenated(parts), np.concatenate(scores), np.concatenate(p_values)
        most = max(_BLOCK // (len(self.profile.limit) * BINS), 1)
        order = np.cumsum(part.starts) - 1
        for start in range(0, int(order[-1]) + 1, most):
            within = (order >= start) & (order < start + most)
            self._add(part.take(within), score[within], p_value[within])

    @property
    def cells(self) -> int:
        """How many counts wait to become rows."""
        return sum(each.sums.counts.size for each in self.waiting)

    @property
    def table(self) -> SumsTable:
        """What makes the rows of the output."""
        return SumsTable(self.profile, self.preparation, self.period)

    def finished(self) -> list[pa.RecordBatch]:
        """Return the rows of each entity; the sums over all of them are `total` then."""
        self.finish()
        list_finished([self])
        return self.done

    def overall(self, total: EntitySums | None) -> list[pa.RecordBatch]:
        """Return the rows of all entities together, from the sums over them."""
        parts = [] if total is None else [_of_all(total)]
        return self.table.batches(ALL, parts, every=True)

    def finish(self) -> None:
        """Take the last entity as finished."""
        self._add_chosen()
        if self._open is not None:
            name, code, sums = self._open
            self._finish([name], np.array([code]), sums)
            self._open = None

    def _add(self, part: Rows, score: Float32, p_value: Float64) -> None:
        first = np.flatnonzero(part.starts)
        names = [part.names[code] for code in part.entity[first].tolist()]
        code = self.preparation.entity_codes(part)[first].astype(np.int64)
        sums = self._sums(part, score, p_value)
        if self._open is not None:
            name, before, old = self._open
            if name == names[0]:
                for each in ("counts", "missing", "unseen", "totals"):
                    getattr(sums, each)[0] += getattr(old, each)[0]
            else:
                self._finish([name], np.array([before]), old)
        self._finish(names[:-1], code[:-1], _part(sums, slice(0, -1)))
        self._open = names[-1], int(code[-1]), _part(sums, slice(len(names) - 1, None))

    def _sums(self, part: Rows, score: Float32, p_value: Float64) -> EntitySums:
        starts = np.flatnonzero(part.starts)
        group = np.cumsum(part.starts) - 1
        bins = self._bins(part)
        counts = counted(bins, group, groups=len(starts))
        texts = np.array([each.is_text for each in self.preparation.features])
        bet, there = ~np.isnan(p_value), score > 0
        columns = (
            np.ones(len(part)),
            bet.astype(float),
            exact(log_p_values(np.where(bet, p_value, 1.0))),
            there.astype(float),
            exact(np.log(np.where(there, score, 1.0).astype(np.float64))),
        )
        return EntitySums(
            counts=counts,
            missing=np.add.reduceat(bins < 0, starts, axis=0, dtype=np.int64),
            unseen=np.add.reduceat((part.values == -1) & texts, starts, axis=0, dtype=np.int64),
            totals=np.add.reduceat(np.stack(columns, axis=1), starts, axis=0),
        )

    def _bins(self, part: Rows) -> Int8:
        entity = self.preparation.entity_codes(part)
        return binned(scaled_values(self.preparation, part, entity), self.profile.edges)

    def _finish(self, names: list[str | None], code: Int64, sums: EntitySums) -> None:
        """Keep entities, and add their sums to those of all."""
        if not names:
            return
        self.waiting.append(NamedSums(names, code, sums))
        if self.cells >= _HELD:
            list_finished([self])
        whole = EntitySums(*(each.sum(axis=0, keepdims=True) for each in vars(sums).values()))
        self.total = whole if self.total is None else self.total + whole


def list_finished(parts: Sequence[PartitionSums]) -> None:
    """Make the rows of the entities that wait in some partitions of one detector."""
    waiting = [(part, each) for part in parts for each in _taken(part)]
    if waiting:
        first = parts[0]
        joined = [each for _, each in waiting]
        made = first.table.batches("entity", joined, every=first.profile.detailed)
        for (part, _), batch in zip(waiting, made, strict=True):
            part.done.append(batch)


def partition_batches(parts: Sequence[PartitionSums]) -> Iterator[list[pa.RecordBatch]]:
    """Yield the rows of the output of partitions of one detector; all entities come last."""
    for part in parts:
        part.finish()
    for some in _grouped(parts):
        list_finished(some)
        totals = [_of_all(part.total) for part in some if part.total is not None]
        overall = iter(some[0].table.batches(ALL, totals, every=True))
        for part in some:
            yield part.done if part.total is None else [*part.done, next(overall)]


def _grouped(parts: Sequence[PartitionSums]) -> Iterator[list[PartitionSums]]:
    """Yield partitions of a bounded number of cells together."""
    held: list[PartitionSums] = []
    cells = 0
    for part in parts:
        held.append(part)
        cells += part.cells
        if cells >= _TOGETHER:
            yield held
            held, cells = [], 0
    if held:
        yield held


def _taken(part: PartitionSums) -> list[NamedSums]:
    """Return what waits, as one, and let nothing wait."""
    found = [NamedSums.joined(part.waiting)] if part.waiting else []
    part.waiting.clear()
    return found


def _of_all(total: EntitySums) -> NamedSums:
    return NamedSums([None], np.array([-1]), total)


def _part(sums: EntitySums, chosen: slice) -> EntitySums:
    return EntitySums(*(each[chosen] for each in vars(sums).values()))
