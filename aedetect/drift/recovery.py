"""Whether a slow fault is over: asked of the days since its scores were last beyond their limit.

It begins on the second day beyond the limit, or at once beyond twice that. So it ends: on the
second day within the limit, or at once within half of it. A day that is not over ends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aedetect.drift.daily_levels import daily_levels
from aedetect.drift.episodes import PAUSE

if TYPE_CHECKING:
    from aedetect.drift.daily_table import Block


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Since when scores are within their limit again; in units of the usual mean score."""

    since: str  # a day
    times: float | None  # on the newest day; None: no rows since, for longer than a pause
    limit: float
    before: float | None  # the largest; None: no day of the version that scores was beyond it


def find_recovery(blocks: Sequence[Block], entity: str) -> Recovery | None:
    """Return since when the scores of an entity are as usual; None while that is not known."""
    levels = daily_levels(blocks, {entity})[entity]
    known = ~np.isnan(levels.times)
    beyond = np.flatnonzero(known & ~(levels.times < levels.limit))
    last = int(beyond[-1]) if len(beyond) else -1
    after = last + 1 + np.flatnonzero(known[last + 1 :])
    if len(after) and after[-1] == len(blocks) - 1 and not _is_over(blocks[-1], entity):
        after = after[:-1]
    before = float(levels.times[beyond].max()) if len(beyond) else None
    if not len(after):
        silent = last >= 0 and blocks[-1].last - blocks[last].last > PAUSE
        limit = float(levels.limit[last])
        since = blocks[last].until
        return Recovery(since=since, times=None, limit=limit, before=before) if silent else None
    times, limit = float(levels.times[after[-1]]), float(levels.limit[after[-1]])
    if len(after) == 1 and before is not None and not times < limit**0.5:
        return None
    return Recovery(since=levels.days[after[0]], times=times, limit=limit, before=before)


def _is_over(block: Block, entity: str) -> bool:
    """Whether an entity has as many rows as a whole day has."""
    sums = block.sums()[0]
    own = sums[sums["entity"] == entity]
    return bool((own["rows"] >= own["whole_day"]).any())
