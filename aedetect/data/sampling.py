"""How often rows come: of each entity, and of all together for those with few rows or none."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Int64
from aedetect.data.rates import Rate, RateSettings
from aedetect.data.rows import Rows

FEWEST_ROWS = 30  # of an entity with a period of its own
_STEPS = 1_000  # of an entity, evenly spaced, used to estimate its period
_ALL_STEPS = 1_000_000  # of all together
_LIKE = 0.1  # an entity whose period differs by less takes that of all together


def sampling_period(rows: Rows) -> int | None:
    """Return the median step between consecutive rows of an entity, in ns; None without steps.

    Of an even number of steps the lower one: a mean would be the step of no row.
    """
    return _median(rows, np.arange(0, len(rows) - 1, max(1, len(rows) // _ALL_STEPS)))


def entity_rates(rows: Rows, pooled: int, settings: RateSettings) -> tuple[Rate, ...]:
    """Return the sampling of the entities whose period is not the pooled one (ns)."""
    if settings.period is not None:  # what is set wins, and the rest follows from it
        return ()
    first = np.flatnonzero(rows.starts)
    counts = np.diff(np.append(first, len(rows)))
    found = []
    for at in np.flatnonzero(counts >= FEWEST_ROWS).tolist():  # entities, not rows
        begin, count = int(first[at]), int(counts[at])
        period = _median(rows, begin + np.arange(0, count - 1, max(1, count // _STEPS)))
        if period and abs(period - pooled) > _LIKE * pooled:
            found.append(settings.rate(rows.names[rows.entity[begin]], period))
    return tuple(found)


def _median(rows: Rows, here: Int64) -> int | None:
    same = rows.entity[here + 1] == rows.entity[here]
    steps = (rows.time[here + 1] - rows.time[here])[same]
    return int(np.quantile(steps, 0.5, method="lower")) if len(steps) else None
