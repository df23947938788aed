"""Seconds and bytes of the page of two million rows and a hundred entities.

    python benchmarks/report.py [--rows 2000000] [--entities 100] [--folder FOLDER]

Makes an output as a month of scoring writes it: scores, flagged rows with causes, events and a row
for each run; then writes its page. The observed values beside what is expected need a detector and
are not part of it: `aedetect report` of a real detector adds them for the events shown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from aedetect.events import Formation, form_events
from aedetect.events.settings import EventSettings
from aedetect.output import Origin, Partition
from aedetect.output.partitions import FLAGGED, SCORES
from aedetect.output.schemas import flagged_schema, scores_schema
from aedetect.output.table_writer import TableWriter
from aedetect.report import PageFacts, read_page, write_page
from aedetect.scoring import Summary
from aedetect.scoring.run_log import write_run
from aedetect.timestamps import NANOSECONDS

DAYS, TIME = 30, pa.timestamp("us", tz="UTC")
FIRST = 1_767_225_600 * NANOSECONDS["s"]  # 2026-01-01
ORIGIN = Origin(
    model_name="plant",
    model_version=1,
    calibration_version=1,
    config_hash="benchmark",
    lookback=0,
    max_gap=NANOSECONDS["h"],
    inputs={"day.parquet": "0"},
)


def main() -> None:
    """Make the output, write the page, print what it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--entities", type=int, default=100)
    options.add_argument("--folder", type=Path, help="kept, and used again")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        output = folder / "output"
        if not output.exists():
            make_output(output, rows=given.rows, entities=given.entities)
        began, worked = time.perf_counter(), time.process_time()
        facts = PageFacts(detector="plant", config="plant.toml", model="plant/1")
        written = write_page(read_page(output, facts), folder / "report.html")
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    print(
        f"{given.rows:,} rows, {given.entities} entities: {seconds:.2f} s "
        f"({worked:.2f} s of a processor), {written:,} bytes ({written / 1e6:.2f} MB)"
    )


def make_output(output: Path, *, rows: int, entities: int) -> None:
    """Write what thirty days of scoring leave behind."""
    random = np.random.default_rng(0)
    each = rows // (DAYS * entities)
    step = NANOSECONDS["d"] // each // NANOSECONDS["s"] * NANOSECONDS["s"]
    names = pa.array([f"unit {number:03d}" for number in range(entities)])
    for day in range(DAYS):
        start = FIRST + day * NANOSECONDS["d"]
        moments = np.tile(start + np.arange(each) * step, entities)
        entity = np.repeat(np.arange(entities), each)
        p = random.uniform(size=len(moments))
        for begin in random.integers(0, len(p) - 20, 12):
            p[begin : begin + random.integers(1, 20)] *= 10 ** -random.uniform(3, 9)
        flagged = p < 1e-4
        partition = Partition(start, "day")
        scores = pa.table(
            [
                pa.array(moments, pa.timestamp("ns", tz="UTC")).cast(TIME),
                names.take(pa.array(entity)),
                pa.array(-np.log10(p), pa.float32()),
                pa.array(p),
                pa.array(["normal", "anomaly"]).take(pa.array(flagged.astype(int))),
                pa.nulls(len(p), pa.string()),
            ],
            schema=scores_schema(TIME),
        )
        _write(output, SCORES, partition, scores)
        _write(output, FLAGGED, partition, _flagged(scores.filter(pa.array(flagged)), random))
        at = datetime(2026, 1, 1, 6, tzinfo=UTC) + timedelta(days=day)
        summary = Summary(status="done", model="plant/1", output=str(output), rows=len(p))
        counted = replace(summary, scored=len(p), flagged=int(flagged.sum()), seconds=4.2)
        write_run(output, replace(counted, started=at.isoformat()), run_id=f"{day:08d}")
    form_events(
        output, Formation(detector="plant", by="day", settings=EventSettings(), units={}, rates=())
    )


def _flagged(scores: pa.Table, random: np.random.Generator) -> pa.Table:
    """Add threshold, severity and causes to flagged rows."""
    count = scores.num_rows
    cause = [
        {"feature": f"sensor_{n}", "share": s, "observed": 92.0, "expected": 65.0,
         "unusual": "in itself"}
        for n, s in enumerate((0.6, 0.3, 0.1))
    ]  # fmt: skip
    outside = [{"feature": "sensor_0", "low": 61.0, "high": 70.0}]
    strength = random.exponential(2, count)
    added = [
        pa.array(np.full(count, 4.0)),
        pa.array(strength),
        pa.array(["info", "warning", "critical"]).take(
            pa.array((strength > 1).astype(int) + (strength > 5))
        ),
        pa.nulls(count, pa.string()),
        pa.array([cause] * count),
        pa.array(np.ones(count, dtype=np.float32)),
        pa.array([outside] * count),
        pa.repeat("plant", count),
        pa.array(np.ones(count, dtype=np.int32)),
        pa.array(np.ones(count, dtype=np.int32)),
    ]
    schema = flagged_schema(TIME)
    columns = [*scores.columns, *added]
    return pa.table(
        [
            c.cast(k.type) if isinstance(c, pa.Array) else c
            for c, k in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )


def _write(output: Path, kind: str, partition: Partition, table: pa.Table) -> None:
    path = partition.path(output, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(path, table.schema, ORIGIN) as writer:
        for batch in table.to_batches():
            writer.write(batch)


if __name__ == "__main__":
    main()
