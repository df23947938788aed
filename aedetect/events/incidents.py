"""Events of several entities that begin together are one incident: a shared outage."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Int64, Objects


def find_incidents(start: Int64, ids: Objects, reported: Bool, *, within: int) -> Objects:
    """Return the incident of each event, which is the id of its first event: (S,) -> (S,).

    An incident is what begins within a time (ns) of its first event, and no later one: with many
    entities there is always an event shortly before. Events that are not reported are alone.

    >>> start, ids = np.array([0, 4, 6, 99]), np.array(["a", "b", "c", "d"], dtype=object)
    >>> find_incidents(start, ids, np.array([True, True, True, False]), within=5).tolist()
    ['a', 'a', 'c', 'd']
    """
    found = ids.copy()
    chosen = np.flatnonzero(reported)
    if not len(chosen):
        return found
    order = chosen[np.lexsort((ids[chosen].astype(str), start[chosen]))]
    time = start[order]
    first = _first_of_each(np.searchsorted(time, time + within, side="right"))
    found[order] = ids[order[np.repeat(first, np.diff(np.append(first, len(order))))]]
    return found


def _first_of_each(after: Int64) -> Int64:
    """Return 0, `after` of it, `after` of that and so on: (S,) -> (incidents,).

    In log S steps: the places 1, 2, 4, ... incidents further on are looked up for all at once.
    """
    count = len(after)
    jumps = [np.append(after, count)]
    while jumps[-1][0] < count:
        jumps.append(jumps[-1][jumps[-1]])
    reached = np.zeros(1, dtype=np.int64)
    for jump in reversed(jumps):
        reached = np.concatenate([reached, jump[reached]])
    return np.unique(reached[reached < count])
