"""Seconds and bytes of the page of two million rows and a hundred entities.

    python benchmarks/report.py [--rows 2000000] [--entities 100] [--folder FOLDER] [--whole]

Makes an output as a month of scoring writes it: scores, flagged rows with causes, events and a row
for each run; then writes its page in this process.

With `--whole`, all is as for a user: files of plants with faults, a detector trained on the ten
days before, and the command line scores. Then `aedetect report` writes the page, observed and
expected values included, each time in a process of its own: the first draws the lines of the
events that the run has not drawn, the next ones find them in the cache of the output.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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

ROOT = Path(__file__).parents[1]
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

_CONFIG = """
[detector]
name = "plant"
[data]
train = "history/"
timestamp = "time"
entity = "unit"
[model]
variant = "linear"
[calibration]
shapes = 0.0
[scoring]
input = "incoming/"
"""


def main() -> None:
    """Make the output, write the page, print what it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=2_000_000)
    options.add_argument("--entities", type=int, default=100)
    options.add_argument("--folder", type=Path, help="kept, and used again")
    options.add_argument("--whole", action="store_true", help="with a detector, by command line")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        if given.whole:
            whole(folder, rows=given.rows, entities=given.entities)
            return
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


def whole(folder: Path, *, rows: int, entities: int) -> None:
    """Train and score by the command line, then time the command that writes the page."""
    config = folder / "plant.toml"
    if not (folder / "output").exists():
        make_data(folder, rows=rows, entities=entities)
        config.write_text(_CONFIG)
        for command in ("train", "score"):
            _run(command, config)
    _python("-m", "compileall", "-q", str(ROOT / "aedetect"), folder=folder)
    for which in ("first page", "next page", "next page"):
        began, worked = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        _run("report", config)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime - worked.ru_utime - worked.ru_stime
        size = (folder / "report.html").stat().st_size / 1e6
        print(
            f"aedetect report, {which}: {time.perf_counter() - began:.2f} s "
            f"({cpu:.2f} s of a processor), {size:.2f} MB"
        )


def _run(command: str, config: Path) -> None:
    _python("-m", "aedetect", command, config.name, folder=config.parent)


def _python(*words: str, folder: Path) -> None:
    """Run Python with bytecode, as an installation has it."""
    own = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    own["PYTHONPYCACHEPREFIX"] = str(folder / "pyc")
    called = [sys.executable, *words]
    subprocess.run(called, check=True, cwd=folder, env=own, capture_output=True)  # noqa: S603


def make_data(folder: Path, *, rows: int, entities: int) -> None:
    """Write a file a day of plants that differ, ten days to learn from and thirty with faults."""
    random = np.random.default_rng(0)
    each = rows // (DAYS * entities)
    step = NANOSECONDS["d"] // each // NANOSECONDS["s"] * NANOSECONDS["s"]
    names = pa.array([f"unit {number:03d}" for number in range(entities)])
    entity = np.repeat(np.arange(entities), each)
    for day in range(-10, DAYS):
        target = folder / ("history" if day < 0 else "incoming")
        target.mkdir(parents=True, exist_ok=True)
        clock = np.tile(np.arange(each) / each, entities)
        load = 0.6 + 0.2 * np.sin(2 * np.pi * (clock + entity / entities))
        noise = random.standard_normal((5, len(load)))
        values = (np.array([80, -2, 11, 25, 3])[:, None] * load + noise * 0.3) + 20
        for unit in random.integers(0, entities, 2 if day >= 0 else 0):
            begin = unit * each + random.integers(0, each - 60)
            values[random.integers(0, 5), begin : begin + 60] += 12
        start = FIRST + day * NANOSECONDS["d"]
        moments = pa.array(start + np.tile(np.arange(each) * step, entities), pa.timestamp("ns"))
        columns = {f"sensor_{at}": own for at, own in enumerate(values)}
        pq.write_table(
            pa.table({"time": moments, "unit": names.take(pa.array(entity)), **columns}),
            target / f"{day + 10:02d}.parquet",
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
