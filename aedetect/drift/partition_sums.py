"""The sums of one partition: a function of its rows and of the detector, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.arrays import Float32, Float64, Int8, Int64
from aedetect.drift.betting import log_p_values
from aedetect.drift.binning import (
    BINS,
    betting,
    binned,
    block_days,
    counted,
    scaled_values,
    stability_index,
    thinned,
)
from aedetect.drift.columns import array, exact, lists, over, under

if TYPE_CHECKING:
    from aedetect.data import Rows
    from aedetect.drift.profile import Profile
    from aedetect.preprocessing import Preparation

DRIFT = "drift"  # the kind of output
ALL = "all"  # scope of the sums over all entities
_NAMED = 3  # columns of an entity, where all would be too many
_COUNTS = pa.list_(pa.int64())
_BLOCK = 2_000_000  # cells at a time
_HELD = 2**16  # cells of finished entities that wait for each other, 0.5 MiB of each partition
SCHEMA = pa.schema(
    {
        "scope": pa.string(),
        "entity": pa.string(),
        "column": pa.string(),
        "rows": pa.int64(),
        "missing": pa.int64(),
        "unseen": pa.int64(),
        "psi": pa.float64(),
        "psi_limit": pa.float64(),
        "missing_limit": pa.float64(),
        "whole_day": pa.int64(),
        "counts": _COUNTS,
        "usual": _COUNTS,
        "edges": pa.list_(pa.float64()),
        "bets": pa.int64(),
        "log_p": pa.float64(),
        "log_score": pa.float64(),
        "usual_log_score": pa.float64(),
        "score_limit": pa.float64(),
        "block_days": pa.int64(),
    }
)


@dataclass
class EntitySums:
    """Sums by entity: counts (G, F, BINS), missing (G, F); rows, bets, log_p, log_score (G,)."""

    counts: Int64
    missing: Int64
    unseen: Int64
    totals: Float64  # (G, 5): rows, bets, log_p, scored, log_score

    def __add__(self, other: EntitySums) -> EntitySums:
        """Add the sums of as many entities; exact, so that no order of the rows has a say."""
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return EntitySums(*(own + more for own, more in both))


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
    _waiting: list[tuple[list[str | None], Int64, EntitySums]] = field(default_factory=list)
    _done: list[pa.RecordBatch] = field(default_factory=list)
    total: EntitySums | None = None  # over the entities that are finished

    def add(self, rows: Rows, score: Float32, p_value: Float64) -> None:
        """Add rows with their scores, NaN where there is none: (R,)."""
        chosen = thinned(rows.time, period=self.period)
        bets = betting(rows.time, period=self.period, length=self.length)
        chosen |= bets
        if not chosen.any():
            return
        part = rows.take(chosen)
        most = max(_BLOCK // (len(self.profile.limit) * BINS), 1)
        order = np.cumsum(part.starts) - 1
        for start in range(0, int(order[-1]) + 1, most):
            within = (order >= start) & (order < start + most)
            self._add(
                part.take(within),
                score[chosen][within],
                np.where(bets, p_value, np.nan)[chosen][within],
            )

    def batches(self) -> list[pa.RecordBatch]:
        """Return the rows of the output; all entities together come last."""
        return [*self.finished(), *self.overall(self.total)]

    def finished(self) -> list[pa.RecordBatch]:
        """Return the rows of each entity; the sums over all of them are `total` then."""
        if self._open is not None:
            name, code, sums = self._open
            self._finish([name], np.array([code]), sums)
            self._open = None
        self._list_finished()
        return self._done

    def overall(self, total: EntitySums | None) -> list[pa.RecordBatch]:
        """Return the rows of all entities together, from the sums over them."""
        if total is None:
            return []
        return [self._rows(ALL, [None], np.array([-1]), total, every=True)]

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
        self._waiting.append((names, code, sums))
        if sum(each.counts.size for _, _, each in self._waiting) >= _HELD:
            self._list_finished()
        whole = EntitySums(*(each.sum(axis=0, keepdims=True) for each in vars(sums).values()))
        self.total = whole if self.total is None else self.total + whole

    def _list_finished(self) -> None:
        """Make the rows of the entities that wait: of many at once, for each table takes time."""
        if not self._waiting:
            return
        listed, codes, parts = zip(*self._waiting, strict=True)
        self._waiting.clear()
        names = [name for some in listed for name in some]
        columns = zip(*(vars(each).values() for each in parts), strict=True)
        sums = EntitySums(*(np.concatenate(each) for each in columns))
        code = np.concatenate(codes)
        self._done.append(self._rows("entity", names, code, sums, every=self.profile.detailed))

    def _rows(
        self, scope: str, names: list[str | None], code: Int64, sums: EntitySums, *, every: bool
    ) -> pa.RecordBatch:
        """Return a row for each entity, and for each of its columns or the most moved."""
        profile = self.profile
        usual = profile.usual_of(code)
        index = stability_index(sums.counts, usual)
        chosen = np.ones(index.shape, dtype=np.bool_)
        if not every:
            rank = np.argsort(-np.nan_to_num(index / profile.limit), axis=1, kind="stable")
            chosen[:] = False
            np.put_along_axis(chosen, rank[:, :_NAMED], values=True, axis=1)
        group, column = np.nonzero(chosen)
        columns = pa.array([each.name for each in self.preparation.features], pa.string())
        owner = pa.array(names, pa.string())
        rows, bets, log_p, scored, log_score = sums.totals.T
        cells, blank = len(group), len(names)
        mean = np.where(scored > 0, log_score / np.maximum(scored, 1), np.nan)
        table = {
            "scope": pa.repeat(scope, cells + blank),
            "entity": owner.take(pa.array(np.append(group, np.arange(blank)))),
            "column": over(columns.take(pa.array(column)), blank),
            "rows": pa.array(np.append(rows[group], rows).astype(np.int64)),
            "missing": over(array(sums.missing[group, column]), blank),
            "unseen": over(array(sums.unseen[group, column]), blank),
            "psi": over(array(index[group, column]), blank),
            "psi_limit": over(array(profile.limit[column]), blank),
            "missing_limit": over(array(profile.missing[column]), blank),
            "whole_day": pa.repeat(int(profile.whole[0]), cells + blank),
            "counts": over(lists(sums.counts[group, column]), blank),
            "usual": over(lists(usual[group, column].astype(np.int64)), blank),
            "edges": over(self._edges(code[group], column), blank),
            "bets": under(array(bets.astype(np.int64)), cells),
            "log_p": under(array(log_p), cells),
            "log_score": under(array(mean), cells),
            "usual_log_score": under(array(profile.level[code]), cells),
            "score_limit": under(array(profile.level_limit[code]), cells),
            "block_days": pa.repeat(block_days(self.period), cells + blank),
        }
        arrays = [table[each.name].cast(each.type) for each in SCHEMA]
        # Entity by entity, however many are finished together.
        order = np.argsort(np.append(group, np.arange(blank)), kind="stable")
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA).take(pa.array(order))

    def _edges(self, code: Int64, column: Int64) -> pa.Array:
        """Return edges in units of the table; none with the quantile scaler."""
        scaling, first = self.preparation.scaling, self.preparation.first_columns[column]
        if scaling.quantiles is not None:
            return pa.nulls(len(code), pa.list_(pa.float64()))
        scale, center = scaling.scale[code, first], scaling.center[code, first]
        return lists(self.profile.edges[column] * scale[:, None] + center[:, None])


def _part(sums: EntitySums, chosen: slice) -> EntitySums:
    return EntitySums(*(each[chosen] for each in vars(sums).values()))
