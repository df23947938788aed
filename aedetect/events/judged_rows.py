"""How many rows were judged, from the footers of scores/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect.output import list_files
from aedetect.output.catalog import read_footers
from aedetect.output.partitions import SCORES, PartitionBy
from aedetect.output.verdict_counts import VerdictCounts
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.arrays import Float64, Int64

WINDOW = 30  # days
_DAY = NANOSECONDS["d"]


@dataclass(frozen=True)
class JudgedCounts:
    """How many rows were judged in each partition: begin, end (P,) in ns ascending; rows (P,)."""

    begin: Int64
    end: Int64
    rows: Int64

    def in_window(self, day: Int64) -> Float64:
        """Return the rows of WINDOW days at the rate before each day (UTC days): (D,) -> (D,).

        The rate is that of the partitions of the window that were over before the day began, of the
        first days that of the first partition: it does not change while a day fills.
        """
        start = day * _DAY
        last = np.maximum(np.searchsorted(self.end, start, side="right"), 1)
        first = np.searchsorted(self.begin, start - WINDOW * _DAY, side="left")
        first = np.minimum(first, last - 1)
        rows = np.concatenate([[0], np.cumsum(self.rows)])
        time = np.concatenate([[0], np.cumsum(self.end - self.begin)])
        covered = np.maximum(time[last] - time[first], 1)
        return np.asarray((rows[last] - rows[first]) / covered * (WINDOW * _DAY))


def read_judged_rows(output: Path, *, by: PartitionBy) -> JudgedCounts:
    """Count the rows that were judged in each partition with scores, from their footers."""
    files = list_files(output, SCORES, by=by)
    found = [
        (file, counts.judged)
        for file, (_, footer) in zip(files, read_footers(files), strict=True)
        if (counts := VerdictCounts.of_footer(footer)) is not None and counts.judged
    ]
    bounds = [file.partition.bounds(file.clock("timestamp")) for file, _ in found]
    begin, end = (np.array([each[i] for each in bounds], dtype=np.int64) for i in (0, 1))
    return JudgedCounts(begin, end, np.array([count for _, count in found], dtype=np.int64))
