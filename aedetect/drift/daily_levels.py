"""How far the scores of single entities are from their calibration, day by day, beside the others.

Read for few entities that someone has to look at: from the sums that `episodes.judge` decides by.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.judgement import LEAST

if TYPE_CHECKING:
    from aedetect.arrays import Float64
    from aedetect.drift.daily_table import Block

_OTHERS = (10, 90)  # percent of the other entities, between which a day is as usual


@dataclass(frozen=True)
class DailyLevels:
    """Mean scores of an entity by day, in units of the usual one: (D,) each, NaN without rows."""

    days: tuple[str, ...]
    times: Float64
    limit: Float64  # beyond which held-out days are not
    low: Float64  # of most others
    high: Float64


def daily_levels(blocks: Sequence[Block], entities: Collection[str]) -> dict[str, DailyLevels]:
    """Return the levels of some entities; memory does not grow with the other ones."""
    names = sorted(entities)
    found = np.full((len(names), 4, len(blocks)), np.nan)
    for day, block in enumerate(blocks):
        sums = block.sums()[0].set_index("entity")
        level = (sums["log_score"] - sums["usual_log_score"]).astype(float)
        limit = sums["score_limit"].astype(float).clip(lower=LEAST)
        for at, name in enumerate(names):
            others = level.drop(name, errors="ignore").dropna()
            between = np.percentile(others, _OTHERS) if len(others) else (np.nan, np.nan)
            found[at, :, day] = (level.get(name, np.nan), limit.get(name, np.nan), *between)
    days = tuple(each.day for each in blocks)
    with np.errstate(over="ignore"):
        times = np.exp(found)
    return {name: DailyLevels(days, *times[at]) for at, name in enumerate(names)}
