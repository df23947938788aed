"""Rows of groups, in time that grows with the rows alone and not with the groups times the rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aedetect.arrays import Int32, Int64


def grouped_rows(code: Int32 | Int64) -> Iterator[tuple[int, Int64]]:
    """Yield each code, in order, and the ascending rows that have it: (R,).

    >>> [(code, rows.tolist()) for code, rows in grouped_rows(np.array([7, -1, 7]))]
    [(-1, [1]), (7, [0, 2])]
    """
    if not len(code):
        return
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate([[0], changes])
    ends = np.append(changes, len(code))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield int(ordered[start]), order[start:end]
