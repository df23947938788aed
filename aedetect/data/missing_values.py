"""Numbers that stand for a missing value, such as -9999: recognised alike in SQL and in arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from aedetect.arrays import Bool, Float64

_EXACT = 2**24  # whole numbers up to it are the same as float32
_RESOLUTION = float(np.finfo(np.float32).eps)  # files may hold the same number as float32


def mark_missing(values: Float64, missing: Sequence[float]) -> Bool:
    """Return which values are one of the numbers that stand for a missing one.

    >>> mark_missing(np.array([20.0, -9999.0, 9.969209968386869e36]), [-9999, 9.96921e36]).tolist()
    [False, True, True]
    """
    found = np.zeros(values.shape, dtype=np.bool_)
    for low, high in missing_ranges(missing):
        found |= (values >= low) & (values <= high)
    return found


def sql_without(column: str, missing: Sequence[float]) -> str:
    """Write the SQL for a column of doubles, null where it holds one of the numbers."""
    if not missing:
        return column
    tests = " OR ".join(
        f"{column} BETWEEN {_literal(low)} AND {_literal(high)}"
        for low, high in missing_ranges(missing)
    )
    return f"CASE WHEN {tests} THEN NULL ELSE {column} END"


def missing_ranges(missing: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Return the lowest and highest double that is taken for each number."""
    for value in missing:
        is_whole = float(value).is_integer() and abs(value) < _EXACT
        around = 0.0 if is_whole else abs(value) * _RESOLUTION
        low, high = np.clip([value - around, value + around], -np.finfo(float).max, None)
        yield float(low), min(float(high), float(np.finfo(float).max))


def _literal(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"
