"""Timestamps of Arrow, of any unit and zone, as nanoseconds since 1970."""

from __future__ import annotations

from typing import TypeVar

import pyarrow as pa

Times = TypeVar("Times", pa.Array, pa.ChunkedArray, pa.Scalar)


def nanoseconds(times: Times) -> Times:
    """Return 64-bit integers: what is compared and counted with.

    >>> nanoseconds(pa.array([1_500], pa.timestamp("ms", tz="UTC"))).to_pylist()
    [1500000000]
    """
    return times.cast(pa.timestamp("ns", tz=times.type.tz)).cast(pa.int64())
