"""Write files of flagged/ and events/, as a scoring run does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from aedetect.output.schemas import events_schema, flagged_schema

TIME = pa.timestamp("us")
CAUSE = {
    "feature": "cpu",
    "share": 0.75,
    "observed": 500.0,
    "expected": 48.5,
    "unusual": "in itself",
}
MODEL = {"model_name": "pump", "model_version": 3, "calibration_version": 1}


def flag(at: str, entity: str | None = "east", **other):
    """Make one flagged row."""
    row = {
        "timestamp": datetime.fromisoformat(at),
        "entity": entity,
        "score": 4.5,
        "p_value": 0.001,
        "verdict": "anomaly",
        "reason": None,
        "threshold": 1.5,
        "strength": 1.5,
        "severity": "warning",
        "event_id": "e1",
        "causes": [CAUSE],
        "blame": 1.0,
        "outside": [],
    }
    return row | MODEL | other


def event(number: str, at: str, entity: str | None = "east", minutes: int = 10, **other):
    """Make one event of some minutes."""
    start = datetime.fromisoformat(at)
    row = {
        "event_id": number,
        "incident_id": number,
        "entity": entity,
        "start": start,
        "end": start + timedelta(minutes=minutes),
        "rows": minutes + 1,
        "peak_timestamp": start,
        "peak_score": 4.5,
        "threshold": 1.5,
        "p_value": 0.001,
        "strength": 1.5,
        "severity": "warning",
        "causes": [CAUSE],
        "text": "cpu is 500, 48.5 was expected",
        "suppressed": None,
    }
    return row | MODEL | other


def _write(rows, schema, path):
    """Write rows; what the footer of a file says of itself is said of the one in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    output, partition = path.parents[2], path.parent.name
    beside = output / "scores" / partition / path.name  # of the same origin
    source = next((each for each in (path, beside) if each.exists()), None)
    metadata = None if source is None else pq.read_schema(source).metadata
    pq.write_table(pa.Table.from_pylist(rows, schema).replace_schema_metadata(metadata), path)
    return path


def write_flagged(output, partition, rows, time=TIME):
    """Write one partition of flagged/."""
    return _write(rows, flagged_schema(time), output / "flagged" / partition / "part-0.parquet")


def write_events(output, partition, rows, time=TIME):
    """Write one partition of events/."""
    return _write(rows, events_schema(time), output / "events" / partition / "part-0.parquet")


def write_scores(output, partition, newest: str, time=TIME):
    """Write one partition of scores/ that ends at a time."""
    schema = pa.schema([("timestamp", time), ("entity", pa.string())])
    rows = [{"timestamp": datetime.fromisoformat(newest), "entity": "east"}]
    return _write(rows, schema, output / "scores" / partition / "part-0.parquet")
