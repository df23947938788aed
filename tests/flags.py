"""Write flagged files and scores, as the first stage of a scoring run does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from aedetect.events import Formation, form_events
from aedetect.events.settings import EventSettings
from aedetect.output import Origin
from aedetect.output.partitions import FLAGGED, SCORES, partition_at
from aedetect.output.schemas import flagged_schema, scores_schema
from aedetect.output.table_writer import TableWriter
from aedetect.timestamps import NANOSECONDS

MIDNIGHT = datetime(2026, 2, 2, tzinfo=UTC)
FIRST, SECOND, THIRD = (
    partition_at((20_485 + day) * NANOSECONDS["d"], "day") for day in range(3)
)  # 2026-02-01 and the two days after

ORIGIN = Origin(
    model_name="pump",
    model_version=1,
    calibration_version=1,
    config_hash="",
    lookback=0,
    max_gap=5 * NANOSECONDS["min"],
    inputs={},
)


def row(minute, entity="east", score=3.0, **other):
    """A flagged row, a number of minutes after midnight."""
    return {
        "timestamp": MIDNIGHT + timedelta(minutes=minute),
        "entity": entity,
        "score": score,
        "p_value": 1e-3 / score,
        "threshold": 2.0,
        "severity": "info",
        "causes": [{"feature": "a", "share": 1.0, "observed": score, "expected": 1.0}],
        "blame": score,
        "outside": [{"feature": "a", "low": 0.5, "high": 1.5}],
        "model_name": "pump",
        "model_version": 1,
        "calibration_version": 1,
    } | other


def judged(minute, p_value=0.005, entity="east", **other):
    """A scored row, a number of minutes after midnight: held by default."""
    return {
        "timestamp": MIDNIGHT + timedelta(minutes=minute),
        "entity": entity,
        "score": 1.0,
        "p_value": p_value,
        "verdict": "normal",
        "reason": None,
    } | other


def flag(output, partition, *rows, zone=None):
    """Write the flagged file of a partition."""
    return _write(output, partition, FLAGGED, rows, flagged_schema(pa.timestamp("us", tz=zone)))


def judge(output, partition, *rows, origin=ORIGIN, zone=None):
    """Write the scores of a partition."""
    schema = scores_schema(pa.timestamp("us", tz=zone))
    return _write(output, partition, SCORES, rows, schema, origin)


def _write(output, partition, kind, rows, schema, origin=ORIGIN):
    path = partition.path(output, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TableWriter(path, schema, origin)
    for batch in pa.Table.from_pylist(list(rows), schema=schema).to_batches():
        writer.write(batch)
    writer.close()
    return path


def formed(output, *, leaving=(), units=None, **settings):
    """Form events."""
    formation = Formation(
        detector="pump", by="day", settings=EventSettings(**settings), units=units or {}
    )
    return form_events(output, formation, leaving=leaving)
