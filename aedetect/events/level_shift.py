"""Events that last: the level has shifted, and what stands out from the new level is told apart.

An event that lasts longer than `EventRules.level_shift` is a shift of level. It is cut into blocks
of that length, from its start on. Its rows from the second block on stand out when their score is
so high that, by the tail of the block before, at most a share RARE of rows would be. The tail is
exponential beyond the highest tenth, with the scale that their median excess gives, so that what
stands out for a short time does not move it. Rows that stand out form events of their own. A block
is over when it is compared with: later rows change no verdict on earlier ones, and a level that
rises again is itself taken as the level a block later.

RARE is chosen by evidence, see docs/internals/detection-log.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.events.grouping import EventGroups, group_rows

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float64, Int64
    from aedetect.events.flagged_rows import FlaggedColumns

RARE = 1e-4  # share of the rows of a level that stand out by chance, by its tail
MIN_ROWS = 20  # flagged rows of a block, below which nothing is compared with it
_TAIL, _FEWEST = 10, 5  # the highest tenth of a block is its tail, at least so many rows
_LEAST_SCALE = 0.01  # of the begin of the tail: scores that stay the same have no spread


@dataclass(frozen=True)
class Separated:
    """Flagged rows by event, and the events: M rows, S events.

    Shapes: shifted (S,) whether an event is a shift of level; inner (S,) whether it stands out from
    one; level (M,) strength of the level that a row stands out from, 0 for all other rows.
    """

    flagged: FlaggedColumns
    groups: EventGroups
    shifted: Bool
    inner: Bool
    level: Float64


def separate(
    flagged: FlaggedColumns, groups: EventGroups, *, limit: Int64, merge_gap: Int64
) -> Separated:
    """Take what stands out from shifted levels out of their events.

    Shapes: limit, merge_gap (E,) ns, by entity; a limit of 0: no event is a shift. The loss of a
    column is none. Events stay ordered by entity, loss and start.
    """
    first = groups.first
    size = groups.last - first + 1
    start = flagged.time[first]
    own = limit[flagged.entity[first]]
    shifted = (own > 0) & (groups.end - start > own) & ~flagged.loss[first]
    none = np.zeros(len(first), dtype=np.bool_)
    unchanged = Separated(flagged, groups, shifted, none, np.zeros(len(flagged.time)))
    if not shifted.any():
        return unchanged
    number = np.repeat(np.arange(len(first)), size)
    rows = np.flatnonzero(shifted[number])
    block = (flagged.time[rows] - start[number[rows]]) // own[number[rows]]
    out, level = _standing_out(
        flagged.score[rows].astype(np.float64), flagged.strength[rows], number[rows], block
    )
    if not out.any():
        return unchanged
    inside = rows[out]
    parts = group_rows(
        flagged.time[inside],
        number[inside].astype(np.int32),
        merge_gap=merge_gap[flagged.entity[inside]],
    )
    counts = parts.last - parts.first + 1
    number[inside] = len(first) + np.repeat(np.arange(len(parts)), counts)
    levels = np.zeros(len(flagged.time))
    levels[inside] = level[out]
    end = np.concatenate([groups.end, parts.end])
    is_inner = np.concatenate([none, np.ones(len(parts), dtype=np.bool_)])
    shifted = np.concatenate([shifted, np.zeros(len(parts), dtype=np.bool_)])
    return _ordered(flagged, number, levels, end=end, shifted=shifted, inner=is_inner)


def _standing_out(
    score: Float64, strength: Float64, number: Int64, block: Int64
) -> tuple[Bool, Float64]:
    """Return which rows stand out from the block before, and its strength: (n,) each -> (n,).

    The rows are ordered by event and time.
    """
    breaks = np.ones(len(score), dtype=np.bool_)
    breaks[1:] = (number[1:] != number[:-1]) | (block[1:] != block[:-1])
    first = np.flatnonzero(breaks)
    part = np.cumsum(breaks) - 1
    size = np.diff(np.append(first, len(score)))
    order = np.lexsort((score, part))
    tail = np.minimum(np.maximum(size // _TAIL, _FEWEST), size - 1)
    begin, middle = order[first + size - 1 - tail], order[first + size - 1 - tail // 2]
    scale = (score[middle] - score[begin]) / np.log(2)
    scale = np.maximum(scale, _LEAST_SCALE * np.abs(score[begin]))
    far = score[begin] + scale * np.log(np.maximum(tail / size / RARE, 1))
    before = np.maximum(np.arange(len(first)) - 1, 0)
    known = (
        (number[first] == number[first[before]])
        & (block[first] == block[first[before]] + 1)
        & (size[before] >= MIN_ROWS)
    )
    limit = np.where(known, far[before], np.inf)
    return score > limit[part], strength[begin][before][part]


def _ordered(
    flagged: FlaggedColumns,
    number: Int64,
    level: Float64,
    *,
    end: Int64,
    shifted: Bool,
    inner: Bool,
) -> Separated:
    """Order the rows by entity, loss and start of their event: number (M,), of events (S,)."""
    start = np.full(len(end), np.iinfo(np.int64).max)
    np.minimum.at(start, number, flagged.time)
    keys = (flagged.time, number, start[number], flagged.loss, flagged.entity)
    order = np.lexsort(keys)
    number = number[order]
    first = np.flatnonzero(np.append(True, number[1:] != number[:-1]))
    last = np.append(first[1:], len(number)) - 1
    event = number[first]
    fixed = ("names", "begin", "kinds")
    kept = {each.name for each in fields(flagged)}.difference(fixed)
    rows = replace(flagged, **{name: getattr(flagged, name)[order] for name in kept})
    groups = EventGroups(first, last, end[event])
    return Separated(rows, groups, shifted[event], inner[event], level[order])
