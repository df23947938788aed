"""Labelled stretches, false events, and the cut of a score that keeps a budget of false events.

A stretch: consecutive rows of one entity that are labelled anomalous. An event: flagged rows of one
entity, each fewer than BRIDGE_ROWS after the one before. An event is false when no row from its
first to its last one is labelled. A stretch is met when one of its rows is flagged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aedetect.arrays import Bool, Float64, Int32, Int64

BRIDGE_ROWS = 10


def stretches(label: Bool, entity: Int32) -> Int64:
    """Return first and last row of each stretch: (R,), (R,) -> (S, 2)."""
    return _joined(np.flatnonzero(label), entity, nearer_than=2)


def events(flagged: Bool, entity: Int32) -> Int64:
    """Return first and last row of each event: (R,), (R,) -> (G, 2)."""
    return _joined(np.flatnonzero(flagged), entity, nearer_than=BRIDGE_ROWS)


def count_false(flagged: Bool, label: Bool, entity: Int32) -> int:
    """Count the events without a labelled row."""
    first, last = events(flagged, entity).T
    before = np.append(0, np.cumsum(label))
    return int((before[last + 1] == before[first]).sum())


def met(flagged: Bool, spans: Int64) -> Bool:
    """Return which stretches hold a flagged row: (R,), (S, 2) -> (S,)."""
    before = np.append(0, np.cumsum(flagged))
    return np.asarray(before[spans[:, 1] + 1] > before[spans[:, 0]])


def peaks(score: Float64, spans: Int64) -> Float64:
    """Return the largest score in each stretch: (R,), (S, 2) -> (S,)."""
    edges = np.stack([spans[:, 0], spans[:, 1] + 1], axis=1).ravel()
    return np.maximum.reduceat(np.append(score, -np.inf), edges)[::2]


def cuts_within(
    score: Float64, label: Bool, entity: Int32, *, budgets: Sequence[float]
) -> list[float]:
    """Return the cut of each budget of false events: rows at or above it are flagged.

    The lowest cut such that neither it nor any higher one costs more false events. Still lower
    cuts may cost fewer again, because events grow together: when all rows are flagged there is one
    event an entity, and it is not false. They are not looked at. Rows at -inf are never flagged.
    """
    places = np.arange(len(score)) + np.cumsum(_starts(entity)) * BRIDGE_ROWS
    marked = np.zeros(places[-1] + BRIDGE_ROWS + 1, dtype=np.int64)
    marked[places] = label
    growing = _Events(marked)
    order = np.argsort(-score, kind="stable")
    order = order[score[order] > -np.inf]
    levels = score[order]
    whole = np.append(levels[1:] != levels[:-1], True)  # the last of equal scores
    cuts = [float("inf")] * len(budgets)
    kept = [True] * len(budgets)
    for place, level, last in zip(
        places[order].tolist(), levels.tolist(), whole.tolist(), strict=True
    ):
        growing.flag(place)
        if last:
            kept = [k and growing.false <= b for k, b in zip(kept, budgets, strict=True)]
            cuts = [level if k else cut for k, cut in zip(kept, cuts, strict=True)]
            if not any(kept):
                break
    return cuts


class _Events:
    """Events while rows are flagged one by one: the false ones are counted, not searched again.

    An event is known by the place of its first row; places of different entities are far apart.
    """

    def __init__(self, label: Int64) -> None:
        self.false = 0
        self._labelled: list[int] = [0, *np.cumsum(label).tolist()]
        self._flagged = bytearray(len(label))
        self._owner = list(range(len(label)))
        self._last = list(range(len(label)))

    def flag(self, place: int) -> None:
        """Flag a row, which founds an event, prolongs one, or joins two."""
        near = (
            self._flagged.rfind(1, max(place - BRIDGE_ROWS + 1, 0), place),
            self._flagged.find(1, place + 1, place + BRIDGE_ROWS),
        )
        joined = {self._first(each) for each in near if each >= 0}
        self.false -= sum(self._is_false(first) for first in joined)
        first = min(joined | {place})
        self._last[first] = max([place, *(self._last[each] for each in joined)])
        for each in (*joined, place):
            self._owner[each] = first
        self._flagged[place] = 1
        self.false += self._is_false(first)

    def _first(self, place: int) -> int:
        owner = self._owner
        while owner[place] != place:
            owner[place] = owner[owner[place]]
            place = owner[place]
        return place

    def _is_false(self, first: int) -> bool:
        return self._labelled[self._last[first] + 1] == self._labelled[first]


def _joined(rows: Int64, entity: Int32, *, nearer_than: int) -> Int64:
    """Join rows of an entity that are near: (M,) ascending -> (G, 2), first and last."""
    apart = (np.diff(rows) >= nearer_than) | (entity[rows[1:]] != entity[rows[:-1]])
    cuts = np.flatnonzero(apart)
    if not len(rows):
        return np.zeros((0, 2), dtype=np.int64)
    return np.stack([rows[np.append(0, cuts + 1)], rows[np.append(cuts, len(rows) - 1)]], axis=1)


def _starts(entity: Int32) -> Bool:
    """Return which rows are the first of their entity: (R,) -> (R,)."""
    return np.append(True, entity[1:] != entity[:-1])
