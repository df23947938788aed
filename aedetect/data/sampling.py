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
    here = np.arange(0, len(rows) - 1, max(1, len(rows) // _ALL_STEPS))
    same = rows.entity[here + 1] == rows.entity[here]
    steps = (rows.time[here + 1] - rows.time[here])[same]
    return int(np.quantile(steps, 0.5, method="lower")) if len(steps) else None


def entity_rates(rows: Rows, pooled: int, settings: RateSettings) -> tuple[Rate, ...]:
    """Return the sampling of the entities whose period is not the pooled one (ns)."""
    if settings.period is not None:  # what is set wins, and the rest follows from it
        return ()
    first = np.flatnonzero(rows.starts)
    counts = np.diff(np.append(first, len(rows)))
    periods = _medians(rows, first, counts)
    differs = (periods > 0) & (np.abs(periods - pooled) > _LIKE * pooled)
    return tuple(
        settings.rate(rows.names[rows.entity[first[at]]], int(periods[at]))
        for at in np.flatnonzero(differs & (counts >= FEWEST_ROWS)).tolist()
    )


def _medians(rows: Rows, first: Int64, counts: Int64) -> Int64:
    """Return the lower median of some steps of each entity: (E,), 0 for a single row."""
    group = np.repeat(np.arange(len(first)), counts)
    place = np.arange(len(rows)) - np.repeat(first, counts)
    thin = np.repeat(np.maximum(1, counts // _STEPS), counts)
    here = np.flatnonzero((place % thin == 0) & (place < np.repeat(counts - 1, counts)))
    step, group = rows.time[here + 1] - rows.time[here], group[here]
    ordered = step[np.lexsort((step, group))]
    steps = np.bincount(group, minlength=len(first))
    middle = np.cumsum(steps) - steps + (steps - 1) // 2
    found = np.zeros(len(first), dtype=np.int64)
    found[steps > 0] = ordered[middle[steps > 0]]
    return found
