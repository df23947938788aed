"""The row whose causes an event tells: its peak, or one shortly before in which more is unusual.

A score is a mean over the rows before, so that it may be rarest when a fault has just ended and
every column is back inside its range.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.events.description import distance_told
from aedetect.events.flagged_rows import read_peaks

if TYPE_CHECKING:
    from aedetect.arrays import Int64
    from aedetect.events.event_arrays import EventArrays
    from aedetect.output import OutputFile

_BACK = 16  # flagged rows before the peak
_AT_ONCE = 256  # events


def read_telling_rows(
    files: Sequence[OutputFile], formed: EventArrays, events: Int64, peaks: pa.Table
) -> pa.Table:
    """Return the rows at the peaks of events (S,), others in the place of those that tell nothing.

    Columns are those of `read_peaks`; only the causes, `outside` and the reason are to be used.
    """
    quiet = np.flatnonzero(_distances(peaks) == 0)
    tables, chosen = [peaks], np.arange(len(peaks))
    for start in range(0, len(quiet), _AT_ONCE):
        some = quiet[start : start + _AT_ONCE]
        last, first = formed.peak[events[some]], formed.groups.first[events[some]]
        counts = np.minimum(last - first, _BACK)
        if not counts.sum():
            continue
        begins = np.cumsum(counts) - counts
        rows = np.arange(counts.sum()) - np.repeat(begins + counts - last, counts)
        before = read_peaks(files, formed.flagged.file[rows], formed.flagged.row[rows])
        distance = _distances(before)
        for event, begin, count in zip(some, begins, counts, strict=True):
            own = distance[begin : begin + count]
            if own.max(initial=0) > 0:
                place = len(own) - 1 - int(own[::-1].argmax())  # of equal ones the last
                chosen[event] = sum(map(len, tables)) + begin + place
        tables.append(before)
    if len(tables) == 1:
        return peaks
    return pa.concat_tables(tables, promote_options="permissive").take(pa.array(chosen))


def _distances(rows: pa.Table) -> np.ndarray:
    listed = rows.select(["causes", "outside", "reason"]).to_pylist()
    return np.array(
        [distance_told(each["causes"], each["outside"], rule=each["reason"]) for each in listed]
    )
