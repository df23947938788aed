"""What has shifted, day after day -> one alarm of each entity, named once and still there after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.judgement import (
    DISTRIBUTION,
    KINDS,
    CellJudgement,
    ScoreJudgement,
    Standing,
)
from aedetect.drift.names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from aedetect.arrays import Int64
    from aedetect.drift.daily_table import Block

SCORES = "scores"
PAUSE = 7  # days without it after which it is another one: a weekly cycle


@dataclass(frozen=True)
class Moved:
    """An entity that has shifted on the last day; days as places in the list of blocks."""

    entity: str  # "" in a table without entities
    since: int
    named: int  # when it was named first, or when its scores followed
    kinds: tuple[str, ...]
    lost: tuple[str, ...]  # columns with missing cells or unknown categories
    far: float  # largest level of its scores since they shifted, in units of the limit


@dataclass(frozen=True)
class JudgedDays:
    """Who has shifted, and the sums by which this was said: of columns, of a day that is over."""

    moved: tuple[Moved, ...]
    over: int | None
    scores: pd.DataFrame
    cells: pd.DataFrame | None


def judge(blocks: Sequence[Block]) -> JudgedDays:
    """Judge day after day; what is kept of a day does not grow with the days."""
    names = Names()
    score_days, cell_days = ScoreJudgement(names), CellJudgement(names)
    whole, scored = _Episodes(names), _Episodes(names)
    over = cells = None
    columns = stood = Standing(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    for day, block in enumerate(blocks):
        scores, table = block.sums()
        stood, above = score_days.next_day(day, scores)
        found = cell_days.next_day(day, table, above)
        if found is not None:
            over, cells, columns = day, table, found
            whole.add(cell_days.parts(found.code)[0], found.since, day, block)
        whole.add(stood.code, stood.since, day, block)
        scored.add(stood.code, stood.since, day, block)
    kinds: dict[int, list[str]] = {code: [SCORES] for code in stood.code.tolist()}
    lost: dict[int, list[str]] = {}
    for entity, column, kind in zip(*cell_days.parts(columns.code), strict=True):
        kinds.setdefault(int(entity), []).append(KINDS[kind])
        if KINDS[kind] != DISTRIBUTION:
            lost.setdefault(int(entity), []).append(cell_days.columns[column])
    moved = [
        Moved(
            entity=names[code],
            since=int(whole.since[code]),
            named=int(max(whole.named[code], scored.named[code] if SCORES in own else 0)),
            kinds=tuple(dict.fromkeys(own)),
            lost=tuple(lost.get(code, ())),
            far=float(score_days.peak[code]),
        )
        for code, own in kinds.items()
    ]
    return JudgedDays(tuple(moved), over, scores, cells)


class _Episodes:
    """Since when each entity is named, over pauses that are short."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.since, self.named, self._last = (np.zeros(0, dtype=np.int64) for _ in range(3))

    def add(self, code: Int64, since: Int64, day: int, block: Block) -> None:
        """Note entities that are named on a day, each perhaps several times."""
        more = (0, len(self._names) - len(self.since))
        self.since, self.named = np.pad(self.since, more), np.pad(self.named, more)
        self._last = np.pad(self._last, more)
        fresh = code[block.first - self._last[code] > PAUSE]
        self.since[fresh], self.named[fresh] = day, day
        np.minimum.at(self.since, code, since)
        self._last[code] = block.last
