"""Sums by day -> entities whose scores have shifted, and columns that have; day after day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.betting import EVIDENCE, next_evidence
from aedetect.drift.daily_table import ratios
from aedetect.drift.names import Names

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.arrays import Bool, Int64

DISTRIBUTION = "distribution"
KINDS = (DISTRIBUTION, "missing", "unseen")
_AT_ONCE = 2.0  # times its limit: what is as far needs no second day
LEAST = float(np.log(1.5))  # a mean score of less times the held-out one is worth no person
_COLUMNS = 2**20  # at most, so that a column of an entity is one number


@dataclass(frozen=True)
class Standing:
    """What has shifted on a day: codes (N,) of entities, or of cells; since which day (N,)."""

    code: Int64
    since: Int64


class ScoreJudgement:
    """Evidence of each entity that its p-values are too small."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._evidence = np.full(0, -np.inf)
        self._never = np.full(1, -np.inf)  # of an entity that has not come yet
        self._since = np.full(0, -1, dtype=np.int64)  # -1: it is not beyond its limit
        self.peak = np.zeros(0)  # largest level since then, in units of the limit

    def next_day(self, day: int, sums: pd.DataFrame) -> tuple[Standing, Int64]:
        """Judge one more day; return also the entities whose scores are above the usual at all.

        An entity without rows that day does not stay shifted. What is beyond its limit on the
        second day, or beyond twice that, is named.
        """
        at = self._names.codes(sums["entity"])
        more = len(self._names) - len(self._evidence)
        self._evidence = np.append(self._evidence, np.repeat(self._never, more))
        self._since = np.append(self._since, np.full(more, -1))
        self.peak = np.append(self.peak, np.zeros(more))
        bets, log_p = np.zeros(len(self._names), dtype=np.int64), np.zeros(len(self._names))
        bets[at], log_p[at] = sums["bets"].to_numpy(), sums["log_p"].to_numpy()
        self._evidence = next_evidence(self._evidence, bets, log_p)
        self._never = next_evidence(self._never, np.zeros(1, dtype=np.int64), np.zeros(1))
        level = (sums["log_score"] - sums["usual_log_score"]).to_numpy(dtype=float)
        limit = sums["score_limit"].to_numpy(dtype=float)
        sure = (self._evidence[at] >= np.log(EVIDENCE)) & (bets[at] > 0)
        beyond = sure & ~(level < np.maximum(limit, LEAST))
        far = sure & ~(level < np.maximum(_AT_ONCE * limit, LEAST))
        since = np.where(self._since[at] < 0, day, self._since[at])
        before = self.peak[at]
        self._since[:], self.peak[:] = -1, 0.0
        self._since[at[beyond]] = since[beyond]
        reached = np.nan_to_num(level / np.maximum(limit, LEAST))
        self.peak[at[beyond]] = np.maximum(before, reached)[beyond]
        named = beyond & (far | (since < day))
        above = ~(level < np.maximum(limit, LEAST) / 2)
        return Standing(at[named], since[named]), at[above]


class CellJudgement:
    """Columns of entities that are beyond a limit, and since when without a break."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.columns = Names()
        self._before = tuple(np.zeros(0, dtype=np.int64) for _ in range(3))

    def next_day(self, day: int, cells: pd.DataFrame, above: Int64) -> Standing | None:
        """Judge one more day that is over; None when it is over for no entity.

        Named is what is beyond its limit on the second day, or beyond twice that. A distribution
        of an entity whose scores are as usual has to be beyond twice its limit on two days.
        """
        enough = (cells["rows"] >= cells["whole_day"]).to_numpy(dtype=bool)
        if not enough.any():
            return None
        code, far = self._beyond(cells, enough)
        since = np.full(len(code), day, dtype=np.int64)
        stood, begun, was_far = self._before
        place = np.searchsorted(stood, code)
        again = np.append(stood, -1)[place] == code
        since[again] = begun[place[again]]
        far_again = np.zeros(len(code), dtype=np.bool_)
        far_again[again] = was_far[place[again]] > 0
        self._before = code, since, far.astype(np.int64)
        entity, _, kind = self.parts(code)
        told = (kind != KINDS.index(DISTRIBUTION)) | np.isin(entity, above)
        named = np.where(told, again | far, far & far_again)
        return Standing(code[named], since[named])

    def parts(self, code: Int64) -> tuple[Int64, Int64, Int64]:
        """Return the entity, the column and the kind of cells."""
        rest, kind = np.divmod(code, len(KINDS))
        entity, column = np.divmod(rest, _COLUMNS)
        return entity, column, kind

    def _beyond(self, cells: pd.DataFrame, enough: Bool) -> tuple[Int64, Bool]:
        """Return the cells beyond a limit in order, and which are far beyond it."""
        codes, far = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.bool_)]
        for kind, name in enumerate(KINDS):
            ratio = np.nan_to_num(ratios(cells)[name])
            moved = enough & (ratio > 1)
            entity = self._names.codes(cells["entity"][moved])
            column = self.columns.codes(cells["column"][moved])
            codes.append((entity * _COLUMNS + column) * len(KINDS) + kind)
            far.append(ratio[moved] > _AT_ONCE)
        code, first = np.unique(np.concatenate(codes), return_index=True)
        return code, np.concatenate(far)[first]
