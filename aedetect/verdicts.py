"""The columns of scores/ and flagged/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aedetect.causes import CAUSES, causes
from aedetect.outside import OUTSIDE, outside

if TYPE_CHECKING:
    from aedetect.detector import Detector
    from aedetect.files import SourceFile
    from aedetect.ingest import Rows
    from aedetect.score import Scored
    from aedetect.sink import Origin

SEVERITIES = ("info", "warning", "critical")
# How many times rarer than a row at the threshold: from there on a warning, and critical.
_RARER = (100, 10_000)
Numbers = npt.NDArray[np.float64]


def scores_schema(time: pa.DataType) -> pa.Schema:
    """Columns of scores/."""
    return pa.schema(
        [
            ("timestamp", time),
            ("entity", pa.string()),
            ("score", pa.float32()),
            ("p_value", pa.float64()),
            ("verdict", pa.string()),
            ("reason", pa.string()),
        ]
    )


def flagged_schema(time: pa.DataType) -> pa.Schema:
    """Columns of flagged/."""
    return pa.schema(
        [
            *scores_schema(time),
            ("threshold", pa.float64()),
            ("severity", pa.string()),
            ("event_id", pa.string()),
            ("causes", CAUSES),
            ("outside", OUTSIDE),
            ("model_name", pa.string()),
            ("model_version", pa.int32()),
            ("calibration_version", pa.int32()),
        ]
    )


def scores_batch(rows: Rows, scored: Scored, time: pa.DataType) -> pa.RecordBatch:
    """Write verdicts on rows as columns."""
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
    table: pa.RecordBatch, *, rows: Rows, scored: Scored, detector: Detector, origin: Origin
) -> pa.RecordBatch:
    """Take the flagged rows and add what explains them. Events are not formed yet: no event_id."""
    chosen = pa.array(scored.flagged)
    count = len(scored.flagged)
    calibration, values = detector.calibration, rows.values[scored.flagged]
    threshold = calibration.thresholds(scored.entity)
    promised = calibration.p_values(threshold.astype(np.float32), scored.entity)
    limits = calibration.limits_of(scored.entity)
    added = [
        pa.array(threshold),
        severities(scored.p_value[scored.flagged], promised),
        pa.nulls(count, pa.string()),
        causes(detector.scorer.preparation, scored, values),
        outside(detector.scorer.preparation, scored, values, limits),
        pa.repeat(origin.model_name, count),
        pa.array(np.full(count, origin.model_version, dtype=np.int32)),
        pa.array(np.full(count, origin.calibration_version, dtype=np.int32)),
    ]
    schema = flagged_schema(table.schema.field("timestamp").type)
    return pa.RecordBatch.from_arrays([*table.take(chosen).columns, *added], schema=schema)


def severities(p_value: Numbers, promised: Numbers) -> pa.StringArray:
    """Say how rare rows are beside one at the threshold, whose p-value is `promised`: (M,), (M,).

    A hundred times rarer is a warning, ten thousand times critical.

    >>> severities(np.array([1e-3, 1e-5, 1e-7]), np.full(3, 1e-3)).to_pylist()
    ['info', 'warning', 'critical']
    """
    level = sum((p_value <= promised / times).astype(np.int8) for times in _RARER)
    return pa.array(SEVERITIES).take(pa.array(level))


def time_type(files: Sequence[SourceFile]) -> pa.DataType:
    """Return the timestamp type of the output: the files' finest unit, and their zone."""
    kinds = [file.columns[file.time_column] for file in files]
    units = [getattr(kind, "unit", "s") if pa.types.is_timestamp(kind) else "s" for kind in kinds]
    zones = {getattr(kind, "tz", None) for kind in kinds}
    unit = max(units, key=("s", "ms", "us", "ns").index)
    return pa.timestamp(unit, tz=zones.pop() if len(zones) == 1 else "UTC")
