"""Sums as the rows of `drift/`: those of many partitions in one go, for each table takes time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.arrays import Float64, Int64
from aedetect.drift.binning import block_days, stability_index
from aedetect.drift.columns import array, lists, over, under

if TYPE_CHECKING:
    from aedetect.drift.profile import Profile
    from aedetect.preprocessing import Preparation

ALL = "all"  # scope of the sums over all entities
_NAMED = 3  # columns of an entity, where all would be too many
_COUNTS = pa.list_(pa.int64())
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


@dataclass(frozen=True)
class NamedSums:
    """Sums of some entities: their names, and the rows of their scalings (G,), -1 for all."""

    names: list[str | None]
    code: Int64
    sums: EntitySums

    @classmethod
    def joined(cls, parts: Sequence[NamedSums]) -> NamedSums:
        """Return several as one; at least one must be given."""
        columns = zip(*(vars(each.sums).values() for each in parts), strict=True)
        return cls(
            [name for each in parts for name in each.names],
            np.concatenate([each.code for each in parts]),
            EntitySums(*(np.concatenate(each) for each in columns)),
        )


@dataclass(frozen=True)
class SumsTable:
    """Makes the rows of `drift/`."""

    profile: Profile
    preparation: Preparation
    period: int

    def batches(
        self, scope: str, parts: Sequence[NamedSums], *, every: bool
    ) -> list[pa.RecordBatch]:
        """Return the rows of each part: one for each entity, and one for each of its columns.

        Unless `every` column has one, those of the most moved.
        """
        if not parts:
            return []
        table = self._rows(scope, NamedSums.joined(parts), every=every)
        columns = len(self.preparation.features)
        each = 1 + (columns if every else min(_NAMED, columns))
        size = [len(part.names) * each for part in parts]
        begin = np.cumsum([0, *size])[:-1].tolist()
        return [table.slice(first, count) for first, count in zip(begin, size, strict=True)]

    def _rows(self, scope: str, part: NamedSums, *, every: bool) -> pa.RecordBatch:
        """Return a row for each entity, and for each of its columns or the most moved."""
        profile, names, code, sums = self.profile, part.names, part.code, part.sums
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
