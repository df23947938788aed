"""The output of some days of scoring, made without a detector: for pages."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from aedetect.events import Formation, form_events
from aedetect.events.settings import EventSettings
from aedetect.output import Origin, Partition
from aedetect.output.partitions import FLAGGED, SCORES
from aedetect.output.schemas import flagged_schema, scores_schema
from aedetect.output.table_writer import TableWriter
from aedetect.timestamps import NANOSECONDS

TIME = pa.timestamp("us", tz="UTC")
FIRST = 1_767_225_600 * NANOSECONDS["s"]  # 2026-01-01
MINUTE, DAY = NANOSECONDS["min"], NANOSECONDS["d"]
STEP = 10 * MINUTE
ROWS = DAY // STEP  # of an entity and day
ORIGIN = Origin(
    model_name="plant",
    model_version=1,
    calibration_version=1,
    config_hash="none",
    lookback=0,
    max_gap=NANOSECONDS["h"],
    period=STEP,
    inputs={"day.parquet": "0"},
)
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><img src=x onerror=hacked=1>",
    "\"'`{{ 7 * 7 }}&amp;",
    "\u202e\u05e9\u05dc\u05d5\u05dd",
    "x" * 3_000,
)


def write_output(output, *, names=("east", "west"), days=3, faults=(), column="temp_bearing"):
    """Write scores, flagged rows and events.

    A fault is (entity, day, first row, number of rows): these rows are flagged, with a p-value of
    a millionth and the first column to blame. The first row of each entity is not scored.
    """
    for day in range(days):
        start = FIRST + day * DAY
        flagged = np.zeros((len(names), ROWS), dtype=bool)
        for entity, at, row, count in faults:
            if at == day:
                flagged[names.index(entity), row : row + count] = True
        partition = Partition(start, "day")
        scores = _scores(names, start, flagged.ravel(), first=day == 0)
        _write(output, SCORES, partition, scores)
        chosen = scores.filter(pa.compute.equal(scores["verdict"], "anomaly"))
        _write(output, FLAGGED, partition, _flagged(chosen, column))
    form_events(
        output,
        Formation(detector="plant", by="day", settings=EventSettings(), units={}, rates=()),
    )
    return output


def _scores(names, start, flagged, *, first):
    count = len(names) * ROWS
    row = np.tile(np.arange(ROWS), len(names))
    p_value = np.where(flagged, 1e-6, 0.05 + 0.9 * ((row * 7919) % ROWS) / ROWS)
    unscored = first & (row == 0)
    verdict = np.where(unscored, "not_scored", np.where(flagged, "anomaly", "normal"))
    columns = [
        pa.array(start + row * STEP, pa.timestamp("ns", tz="UTC")).cast(TIME),
        pa.array(list(names)).take(pa.array(np.repeat(np.arange(len(names)), ROWS))),
        pa.array(np.where(unscored, np.nan, -np.log10(p_value)), pa.float32(), from_pandas=True),
        pa.array(np.where(unscored, np.nan, p_value), from_pandas=True),
        pa.array(verdict),
        pa.array(np.where(unscored, "needs 15 earlier rows", None), pa.string()),
    ]
    assert len(columns[0]) == count
    return pa.table(columns, schema=scores_schema(TIME))


def _flagged(scores, column):
    count = scores.num_rows
    causes = [
        {"feature": name, "share": share, "observed": 92.0, "expected": 65.0, "unusual": None}
        for name, share in (
            (column, 0.5),
            ("vibration", 0.2),
            ("flow", 0.1),
            ("a", 0.1),
            ("b", 0.1),
        )
    ]
    outside = [{"feature": column, "low": 61.0, "high": 70.0}]
    added = {
        "threshold": [4.0] * count,
        "strength": [1.0] * count,
        "severity": ["warning"] * count,
        "event_id": [None] * count,
        "causes": [causes] * count,
        "blame": [1.0] * count,
        "outside": [outside] * count,
        "model_name": ["plant"] * count,
        "model_version": [1] * count,
        "calibration_version": [1] * count,
    }
    schema = flagged_schema(TIME)
    columns = [pa.array(each, schema.field(name).type) for name, each in added.items()]
    return pa.table([*scores.columns, *columns], schema=schema)


def _write(output, kind, partition, table):
    path = partition.path(output, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(path, table.schema, ORIGIN) as writer:
        for batch in table.to_batches():
            writer.write(batch)
