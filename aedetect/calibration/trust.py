"""How far a promise can be trusted: the held-out rows, block by block, and the time they cover.

A promise treats held-out rows as exchangeable with those to come. If levels drift, they are not.
The held-out rows of all entities are cut into blocks of equal numbers of rows in the order of time.
For each block but the first, the threshold for a share is taken from the blocks before it, and the
share of its rows above is compared with that promised: as in the forward validation of forecasts
(Tashman 2000, Out-of-sample tests of forecasting accuracy). The largest ratio says how far a
promise was off within the held-out time. In the same way a threshold from the rows that validated
the training, the last of the learnt part, is compared with the held-out rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aedetect.arrays import Float32, Float64, Int32, Int64
from aedetect.calibration.held_out import HeldOut
from aedetect.timestamps import NANOSECONDS, length_text

BLOCKS = 4
SHARE = 0.05  # of the earlier rows above the threshold: small ones need more rows than a block has
MIN_ROWS = 200  # of a block, so that SHARE expects ten rows
YOUNG_CYCLES = 3  # days, fewer of which show no daily cycle
_COVERED = 0.99  # of the cycles: from the first row to the last a period is missing
DRIFTED = 3.0  # times the promise, from which it is not trusted
CHANGED = 6.0  # likewise, from which levels changed; 3.3 was seen on data that did not
SOONER = 4  # times as often are the thresholds of a young detector renewed
FEW_ROWS = 1_000  # of one entity or of all together


@dataclass(frozen=True)
class Trust:
    """The evidence about a promise; `factor` is None with too few rows to know it."""

    rows: int
    length: int  # ns from the first to the last held-out row
    within: float | None  # largest share of a block above the threshold of those before / promised
    learnt: float | None = None  # share of the held-out rows above that of the learnt part, alike

    @property
    def factor(self) -> float | None:
        """The larger of the two drifts; None when neither is known."""
        known = [each for each in (self.within, self.learnt) if each is not None]
        return max(known, default=None)

    @property
    def is_changed(self) -> bool:
        """Whether levels changed within the held-out rows, or from the learnt part to them."""
        return self.factor is not None and self.factor > CHANGED

    @property
    def is_young(self) -> bool:
        """Whether few rows or days were held out, or their levels drift."""
        short = self.length < _COVERED * YOUNG_CYCLES * NANOSECONDS["d"]
        drifted = self.factor is not None and self.factor > DRIFTED
        return self.rows < FEW_ROWS or short or drifted

    def due_after(self, renew: int, *, scored: int) -> int:
        """Return how soon (ns) thresholds are renewed: those of a young detector sooner.

        It is young no longer once so much time as shows daily cycles has been scored (ns).
        """
        grown = scored >= YOUNG_CYCLES * NANOSECONDS["d"]
        return renew // SOONER if self.is_young and not grown else renew

    @property
    def text(self) -> str:
        """Say why the promise is not to be trusted yet; empty when nothing speaks against it."""
        reasons = []
        if self.rows < FEW_ROWS:
            reasons.append(f"{self.rows:,} held-out rows are few")
        if self.length < _COVERED * YOUNG_CYCLES * NANOSECONDS["d"]:
            covered = length_text(max(self.length, NANOSECONDS["min"]) / NANOSECONDS["s"])
            reasons.append(f"they cover {covered}, fewer than {YOUNG_CYCLES} daily cycles")
        if self.factor is not None and self.factor > DRIFTED:
            reasons.append(self._drift)
        return "; ".join(reasons)

    @property
    def _drift(self) -> str:
        factor = self.factor or 0.0
        where = "within them a threshold" if factor == self.within else "one of the learnt part"
        return (
            f"levels drift: {where} for {SHARE:.0%} flagged {min(factor * SHARE, 1):.0%} of "
            f"later rows, {factor:.1f} times as many"
        )


def trust_of(rows: HeldOut, *, learnt: float | None = None) -> Trust:
    """Return the evidence of the normal held-out rows, entities each by its own scores.

    `learnt` is the drift from the learnt part to them.
    """
    if not len(rows):
        return Trust(0, 0, None, learnt)
    length = int(rows.time.max() - rows.time.min())
    return Trust(len(rows), length, _factor(rows), learnt)


def learnt_drift(learnt: HeldOut, rows: HeldOut) -> float | None:
    """Return the share of rows above the threshold of the learnt part, by that promised.

    The learnt rows are those that validated the training: no weight was fitted to them. None with
    too few rows of either part. Entities that one of them lacks are left out.
    """
    both = np.intersect1d(learnt.entity, rows.entity)
    learnt, rows = (each.take(np.isin(each.entity, both)) for each in (learnt, rows))
    if min(len(learnt), len(rows)) < MIN_ROWS:
        return None
    every = np.zeros(len(learnt), dtype=np.int64)
    level = _first_levels(learnt.score, learnt.entity, every)
    threshold = np.quantile(learnt.score / level[learnt.entity], 1 - SHARE)
    return float((rows.score / level[rows.entity] > threshold).mean()) / SHARE


def changed_at(rows: HeldOut, *, learnt: float | None) -> int | None:
    """Return the time (ns) from which on levels are new; None if they did not change.

    Within the held-out rows it is where the cumulative sum of what scores differ from their mean
    turns (Page 1954, Continuous inspection schemes). Where the learnt part differs, all are new.
    """
    trust = trust_of(rows, learnt=learnt)
    if not trust.is_changed:
        return None
    if trust.within is None or trust.within <= CHANGED:
        return int(rows.time.min())
    time, _, relative = _relative(rows)
    logs = np.log(np.maximum(relative, np.finfo(np.float32).tiny))
    return int(time[np.argmin(np.cumsum(logs - logs.mean())[:-1]) + 1])


def _relative(rows: HeldOut) -> tuple[Int64, Int64, Float64]:
    """Return time, block and score of the rows in the order of time: (n,) each.

    Scores are in units of each entity's first block, so that loud entities do not stand for all.
    """
    order = np.argsort(rows.time, kind="stable")
    score, entity = rows.score[order], rows.entity[order]
    block = np.arange(len(order)) * BLOCKS // len(order)
    return rows.time[order], block, score / _first_levels(score, entity, block)[entity]


def _factor(rows: HeldOut) -> float | None:
    """Return the largest ratio of a block's share to that promised by the blocks before it."""
    if len(rows) < BLOCKS * MIN_ROWS:
        return None
    _, block, relative = _relative(rows)
    ratios = []
    for number in range(1, BLOCKS):
        threshold = np.quantile(relative[block < number], 1 - SHARE)
        ratios.append(float((relative[block == number] > threshold).mean()) / SHARE)
    return max(ratios)


def _first_levels(score: Float32, entity: Int32, block: Int64) -> Float64:
    """Return the median score of each entity in the first block, else of all rows: (E,)."""
    count = int(entity.max()) + 1
    first = block == 0
    order = np.lexsort((score[first], entity[first]))
    owner, sorted_scores = entity[first][order], score[first][order]
    sizes = np.bincount(owner, minlength=count)
    middle = np.cumsum(sizes) - sizes + sizes // 2
    level = np.full(count, float(np.median(score)))
    there = sizes > 0
    level[there] = sorted_scores[middle[there]]
    return np.asarray(np.maximum(level, np.finfo(np.float32).tiny), dtype=np.float64)
