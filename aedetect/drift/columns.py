"""Numbers as columns of `drift/`, whose rows are columns of entities, or entities alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from aedetect.arrays import Float64, Int64

_STEPS = 2.0**20  # of a unit of a logarithm


def array(values: Int64 | Float64) -> pa.Array:
    """Return values, NaN as null."""
    return pa.array(values, from_pandas=True)


def exact(values: Float64) -> Float64:
    """Return values of few binary digits, whose sum is exact: no order of the rows has a say."""
    return np.asarray(np.round(values * _STEPS) / _STEPS)


def lists(values: Int64 | Float64) -> pa.Array:
    """Return rows (N, K) as lists."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), array(values.ravel()))


def over(values: pa.Array, blank: int) -> pa.Array:
    """Return the values of columns, and none for the rows of entities."""
    return pa.concat_arrays([values, pa.nulls(blank, values.type)])


def under(values: pa.Array, cells: int) -> pa.Array:
    """Return the values of entities, and none for the rows of columns."""
    return pa.concat_arrays([pa.nulls(cells, values.type), values])
