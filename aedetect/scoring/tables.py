"""The columns of scores/ and flagged/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from aedetect.arrays import Bool, Float64
from aedetect.events.severity import rate_strength
from aedetect.explain import outside_limits, rank_causes
from aedetect.output.schemas import (
    SEVERITIES,
    flagged_schema,
    scores_schema,
)

if TYPE_CHECKING:
    from aedetect.data import Rows
    from aedetect.detector import CalibratedScorer, Scored
    from aedetect.output import Origin


def scores_batch(rows: Rows, scored: Scored, time: pa.DataType) -> pa.RecordBatch:
    """Return verdicts on rows as columns."""
    moments = pa.array(rows.time, pa.timestamp("ns", tz=getattr(time, "tz", None)))
    columns = [
        moments.cast(time),
        pa.array(rows.names, pa.string()).take(pa.array(rows.entity)),
        pa.array(scored.score, pa.float32(), from_pandas=True),
        pa.array(scored.p_value, pa.float64(), from_pandas=True),
        scored.verdict,
        scored.reason_text,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=scores_schema(time))


def flagged_batch(
    table: pa.RecordBatch, *, rows: Rows, scored: Scored, detector: CalibratedScorer, origin: Origin
) -> pa.RecordBatch:
    """Return flagged rows with their causes. Events are not formed yet: event_id is null."""
    schema = flagged_schema(table.schema.field("timestamp").type)
    count = len(scored.flagged)
    if not count:  # as of most batches
        nothing = [pa.nulls(0, kind) for kind in schema.types]
        return pa.RecordBatch.from_arrays(nothing, schema=schema)
    chosen = pa.array(scored.flagged)
    calibration, values = detector.calibration, rows.values[scored.flagged]
    threshold = calibration.thresholds(scored.entity)
    strength = calibration.strengths(scored.score[scored.flagged], scored.entity)
    limits = calibration.limits_of(scored.entity)
    added = [
        pa.array(threshold),
        pa.array(strength),
        severities(strength, ruled=scored.reason[scored.flagged] >= 0),
        pa.nulls(count, pa.string()),
        rank_causes(detector.scorer.preparation, scored, values),
        pa.array(scored.blamed.sum(axis=1, dtype=np.float64).astype(np.float32)),
        outside_limits(detector.scorer.preparation, scored, values, limits),
        pa.repeat(origin.model_name, count),
        pa.array(np.full(count, origin.model_version, dtype=np.int32)),
        pa.array(np.full(count, origin.calibration_version, dtype=np.int32)),
    ]
    return pa.RecordBatch.from_arrays([*table.take(chosen).columns, *added], schema=schema)


def severities(strength: Float64, *, ruled: Bool) -> pa.StringArray:
    """Rate each row as if it were an event alone: (M,) -> (M,).

    A row that a column rule flagged, `ruled` (M,), is a warning at least: no normal row of the
    training did that.

    >>> severities(np.array([0.5, 2.0, 0.0]), ruled=np.array([False, False, True])).to_pylist()
    ['info', 'warning', 'warning']
    """
    return pa.array(SEVERITIES).take(pa.array(np.maximum(rate_strength(strength), ruled)))
