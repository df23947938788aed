"""Copies of rows with an injected anomaly, and prepared rows as a scorer takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aedetect.detector import Series
from aedetect.detector.ticks import ticks_of
from aedetect.evaluation.synthetic_anomalies import inject_anomalies
from aedetect.preprocessing import positions

if TYPE_CHECKING:
    from aedetect.arrays import Bool, Float32, Int32, Int64
    from aedetect.data import Rows, Schema
    from aedetect.evaluation.synthetic_anomalies import HeldOutRows, SyntheticAnomaly

_BEFORE = 800  # rows before an anomaly that its scores look back at, fewer of many columns ...
_LEAST_BEFORE, _COPIED_CELLS = 100, 30_000_000  # ... but so many; cells of all copies


def rows_before(rows: Rows, anomalies: Sequence[SyntheticAnomaly], *, width: int) -> Int64:
    """Return how many rows of its entity come before each anomaly in its copy: (A,)."""
    start = np.array([each.start for each in anomalies], dtype=np.int64)
    most = max(_LEAST_BEFORE, _COPIED_CELLS // (width * max(len(anomalies), 1)))
    first = np.searchsorted(rows.entity, rows.entity[start])
    return np.asarray(np.minimum(start - first, min(most, _BEFORE)), dtype=np.int64)


def altered_copy(
    rows: Rows, held_out: HeldOutRows, anomaly: SyntheticAnomaly, *, begin: int
) -> Rows:
    """Return a copy of the rows from `begin` to the end of an anomaly that is injected at the end.

    The values of the altered rows are in the order of the columns of `held_out`, that of `rows`.
    """
    part = rows.take(slice(begin, anomaly.start + anomaly.length))
    values = np.array(part.values)
    values[anomaly.start - begin :] = inject_anomalies(held_out, anomaly)
    return replace(part, values=values)


def series_of_rows(
    rows: Rows, schema: Schema, *, matrix: Float32, observed: Bool, entity: Int32, usable: Bool
) -> Series:
    """Return prepared rows in order as a scorer takes them; every row may be scored."""
    gaps = schema.max_gaps(rows)
    return Series(
        matrix=matrix,
        observed=observed,
        entity=entity,
        back=positions(rows.time, starts=rows.starts, usable=usable, max_gap=gaps),
        valid=np.ones(len(rows), dtype=np.bool_),
        tick=ticks_of(rows, schema),
    )
