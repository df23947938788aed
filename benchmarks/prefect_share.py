"""Prefect's share of a scoring run: python benchmarks/prefect_share.py [--rows 2000000].

The same input is scored as a job and as the flow, a new process each, with a Prefect server that
runs already: processor seconds of the scoring process, its children and the server. Two inputs: one
of many rows in daily files, and one of many small partitions, hours with 60 rows each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from processor_time import below, command_of, seconds_of, spent
from scoring import ENTITIES, table, write_input, write_training

from aedetect.config import read_config
from aedetect.jobs.training import run_training

QUIET = os.environ | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
WORK = """
import json, sys, time
from pathlib import Path
import mlflow, torch  # in both ways, and not measured
sys.path.insert(0, sys.argv[1])
from datetime import UTC, datetime
from prefect.testing.utilities import prefect_test_harness
from prefect_share import apart
from aedetect.config import read_config
from aedetect.jobs.scoring import run_scoring
from pipelines.scoring import scoring
_, _, way, path, *keys = sys.argv
with prefect_test_harness(server_startup_timeout=120):
    before, begin = apart(), time.perf_counter()
    if way == "flow":
        scoring(path, overrides=keys)
    else:
        run_scoring(read_config(Path(path), keys), clock=lambda: datetime.now(UTC))
    took = time.perf_counter() - begin
    print(json.dumps({"seconds": took, "spent": [b - a for a, b in zip(before, apart())]}))
"""


def main() -> None:
    """Print a line for each input and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--units", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_training(folder)
        run_training(read_config(folder / "bench.toml", ["model.variant=linear"]))
        if asked.rows:
            write_input(folder / "rows", rows=asked.rows, one_file=False)
            report(folder, "rows", f"{asked.rows:,} rows", "day", asked.repeats)
        if asked.units:
            write_hours(folder / "hours", count=asked.units)
            report(folder, "hours", f"{asked.units:,} hours", "hour", asked.repeats)


def report(folder: Path, source: str, what: str, partition: str, repeats: int) -> None:
    """Score in turns, and print the least of what each way spent."""
    found: dict[str, list[tuple[float, float, float]]] = {"job": [], "flow": []}
    for number in range(repeats):
        for way, costs in found.items():
            keys = [f"scoring.{key}" for key in (f"input={source}", f"partition={partition}")]
            keys.append(f"scoring.output={source}-{way}-{number}")
            costs.append(scored(folder, way, keys))
    least = {way: min(costs, key=lambda cost: cost[1] + cost[2]) for way, costs in found.items()}
    for way, (took, own, server) in least.items():
        print(f"{what}, {way:4} {took:6.1f} s, {own:6.2f} CPU s, server {server:5.2f} CPU s")
    job = least["job"][1]
    flow = least["flow"][1] + least["flow"][2]
    print(f"{what}: Prefect takes {100 * (flow - job) / flow:.1f} %", flush=True)


def scored(folder: Path, way: str, keys: list[str]) -> tuple[float, float, float]:
    """Score in a new process: wall clock, processor seconds of it and of the server."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", WORK, here, way, str(folder / "bench.toml"), *keys]
    given = {"cwd": folder, "env": QUIET, "stdout": subprocess.PIPE}
    done = subprocess.run(command, check=True, text=True, **given)  # type: ignore[call-overload]  # noqa: S603
    said = json.loads(done.stdout.splitlines()[-1])
    own, server = said["spent"]
    return said["seconds"], own, server


def apart() -> tuple[float, float]:
    """Return the processor seconds of this process and its workers, and of the Prefect server."""
    words = (b"uvicorn", b"prefect")
    servers = [pid for pid in below(os.getpid()) if any(word in command_of(pid) for word in words)]
    server = sum(map(seconds_of, servers))
    return spent() - server, server


def write_hours(folder: Path, *, count: int) -> None:
    """Write some hours of one entity, a row a minute, a file for each day."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for day in range(-(-count // 24)):
        first = str(np.datetime64("2026-02-01") + day)
        hours = min(24, count - 24 * day)
        rows = table(rng, first=first, minutes=60 * hours)
        pq.write_table(rows.take(np.arange(0, len(rows), ENTITIES)), folder / f"{first}.parquet")


if __name__ == "__main__":
    main()
