"""The arrays passed between stages: type aliases, whose shapes docstrings state, and groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Int8 = npt.NDArray[np.int8]  # small codes: part, severity
Int32 = npt.NDArray[np.int32]  # codes: an index into a tuple of names, -1 for none
Int64 = npt.NDArray[np.int64]  # timestamps in ns since 1970, positions, counts
Float32 = npt.NDArray[np.float32]  # inputs and outputs of networks, scores
Float64 = npt.NDArray[np.float64]  # values in original units, p-values
Text = npt.NDArray[np.str_]
Objects = npt.NDArray[np.object_]  # ids, sentences

_CELLS = 2**21  # that are copied at a time, 16 MiB


def any_in_row(marks: Bool) -> Bool:
    """Return which rows hold a mark: (R, F) -> (R,). Fast where few do: an axis of F is short.

    >>> any_in_row(np.array([[False, True], [False, False]])).tolist()
    [True, False]
    """
    rows, columns = marks.shape
    found = np.zeros(rows, dtype=np.bool_)
    if marks.any():
        found[np.flatnonzero(np.ascontiguousarray(marks)) // columns] = True
    return found


def count_in_row(marks: Bool) -> Int64:
    """Return how many marks each row holds: (R, F) -> (R,).

    >>> count_in_row(np.array([[False, True], [True, True]])).tolist()
    [1, 2]
    """
    rows, columns = marks.shape
    if not marks.any():
        return np.zeros(rows, dtype=np.int64)
    if columns > np.iinfo(np.uint8).max:
        return np.asarray(np.count_nonzero(marks, axis=1), dtype=np.int64)
    bytes_of_row = np.ascontiguousarray(marks).view(np.uint8)
    counted = np.einsum("rf->r", bytes_of_row)  # fast along a short axis
    return np.asarray(counted, dtype=np.int64)


def grouped_rows(code: Int32 | Int64) -> Iterator[tuple[int, Int64]]:
    """Yield each code, in order, and the ascending rows that have it: (R,).

    In time that grows with the rows alone, and not with the groups times the rows.

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


def column_quantiles(
    values: Float32 | Float64, levels: Float64 | Sequence[float], *, empty: float
) -> Float64:
    """Return quantiles of the finite values of each column: (R, D), (Q,) -> (Q, D).

    `empty` where there is none. Those of columns without a gap are computed together, some at a
    time, which takes a fraction of the time.

    >>> column_quantiles(np.array([[1.0, 1.0], [2.0, np.nan]]), [0.5], empty=0.0).tolist()
    [[1.5, 1.0]]
    """
    found = np.full((len(levels), values.shape[1]), empty)
    most = max(_CELLS // max(len(values), 1), 1)
    for start in range(0, values.shape[1], most):
        block = values[:, start : start + most].astype(np.float64)
        finite = np.isfinite(block)
        whole = finite.all(axis=0) & bool(len(block))
        if whole.any():
            found[:, start + np.flatnonzero(whole)] = np.quantile(block[:, whole], levels, axis=0)
        for column in np.flatnonzero(~whole & finite.any(axis=0)).tolist():
            own = block[finite[:, column], column]
            found[:, start + column] = np.quantile(own, levels)
    return found
