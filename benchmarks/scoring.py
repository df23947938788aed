"""Speed and memory of scoring, end to end: python benchmarks/scoring.py [--rows 2000000 8000000].

Parquet in, Parquet out, 20 features, windows of 16, one process: rows per second and peak memory of
`aedetect score`, including the start of Python and Prefect, at several sizes. The difference of
two sizes gives the rate without the start, and shows that memory does not grow. The baseline, in
the same run, is the isolation forest of scikit-learn on the same files: read with pandas, score,
write. It scores single rows, not windows. `--columns 100 --rows 10000000` are a billion readings.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FEATURES, ENTITIES = 20, 40
CONFIG = """
[detector]
name = "benchmark"
[data]
train = "train.parquet"
timestamp = "timestamp"
entity = "entity"
[window]
length = 16
[training]
epochs = 1
[scoring]
input = "input"
output = "output"
"""
PEER = """
import sys
from pathlib import Path
import pandas as pd
from sklearn.ensemble import IsolationForest
train, source, target = map(Path, sys.argv[1:])
features = [name for name in pd.read_parquet(train).columns if name[0] == "f"]
forest = IsolationForest(random_state=0, n_jobs=2).fit(pd.read_parquet(train)[features])
target.mkdir()
for path in sorted(source.glob("*.parquet")):
    rows = pd.read_parquet(path)
    scored = rows[["timestamp", "entity"]].assign(score=-forest.score_samples(rows[features]))
    scored.to_parquet(target / path.name)
"""


@dataclass(frozen=True)
class Cost:
    """Time and memory of one process."""

    seconds: float
    megabytes: float  # peak resident memory of the largest process
    processor: float  # seconds, of all processes and their children


def measure(command: Sequence[str], folder: Path) -> Cost:
    """Run a command and wait for it; raise when it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command[:3])} failed")
    seconds, processor = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return Cost(seconds, usage.ru_maxrss / 1024, processor)


def shown(rows: int, cost: Cost) -> str:
    """Return such as "24.0 s   333,333/s    844 MB   37.1 s of processors"."""
    rate = f"{rows / cost.seconds:9,.0f}/s"
    return f"{cost.seconds:6.1f} s {rate} {cost.megabytes:6,.0f} MB {cost.processor:6.1f} s CPU"


def table(
    rng: np.random.Generator, *, first: str, minutes: int, columns: int = FEATURES
) -> pa.Table:
    """Return rows of all entities, a minute apart, sorted by time."""
    times = np.datetime64(first, "ms") + np.arange(minutes) * np.timedelta64(60_000, "ms")
    drivers = rng.standard_normal((minutes * ENTITIES, 4)).astype(np.float32)
    mixing = np.random.default_rng(0).standard_normal((4, columns)).astype(np.float32)
    noise = rng.standard_normal((minutes * ENTITIES, columns)).astype(np.float32)
    values = drivers @ mixing + 0.3 * noise
    names = pa.array([f"machine-{number:02d}" for number in range(ENTITIES)])
    keys = {
        "timestamp": pa.array(np.repeat(times, ENTITIES)),
        "entity": names.take(pa.array(np.tile(np.arange(ENTITIES), minutes))),
    }
    return pa.table(keys | {f"f{index}": values[:, index] for index in range(columns)})


def write_input(folder: Path, *, rows: int, one_file: bool, columns: int = FEATURES) -> None:
    """Write the rows: one file per day, or one file sorted by entity."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    minutes, days = rows // ENTITIES, -(-rows // ENTITIES // 1440)
    parts = []
    for day in range(days):
        first = str(np.datetime64("2026-02-01") + day)
        most = min(1440, minutes - day * 1440)
        part = table(rng, first=first, minutes=most, columns=columns)
        if one_file:
            parts.append(part)
        else:
            pq.write_table(part, folder / f"{first}.parquet")
    if one_file:
        whole = pa.concat_tables(parts)
        order = pc.sort_indices(whole, [("entity", "ascending"), ("timestamp", "ascending")])
        pq.write_table(whole.take(order), folder / "all.parquet", row_group_size=100_000)


def write_training(folder: Path, *, columns: int = FEATURES) -> None:
    """Write the configuration, and the table to train on."""
    (folder / "bench.toml").write_text(CONFIG)
    training = table(np.random.default_rng(2), first="2026-01-01", minutes=2880, columns=columns)
    pq.write_table(training, folder / "train.parquet")


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000_000, 8_000_000])
    parser.add_argument("--one-file", action="store_true", help="one file, entity after entity")
    parser.add_argument("--columns", type=int, default=FEATURES)
    parser.add_argument("--alone", action="store_true", help="without the isolation forest")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_training(folder, columns=asked.columns)
        program = [sys.executable, "-m", "aedetect"]
        measure([*program, "train", "bench.toml"], folder)
        print(f"rows        {'aedetect score':52}isolation forest (rows, not windows)")
        costs = []
        for rows in asked.rows:
            source = folder / f"input-{rows}"
            write_input(source, rows=rows, one_file=asked.one_file, columns=asked.columns)
            given = ["--set", f"scoring.input={source}", "--set", f"scoring.output=out-{rows}"]
            own = measure([*program, "score", "bench.toml", *given], folder)
            costs.append(own)
            print(f"{rows:10,}  {shown(rows, own)}", end="  ", flush=True)
            places = [str(folder / "train.parquet"), str(source), str(folder / f"peer-{rows}")]
            if not asked.alone:
                peer = measure([sys.executable, "-c", PEER, *places], folder)
                print(shown(rows, peer), end="", flush=True)
            print(flush=True)
        if len(costs) > 1:
            more = asked.rows[-1] - asked.rows[0]
            rate = more / (costs[-1].seconds - costs[0].seconds)
            print(f"without the start: {rate:,.0f} rows/s")


if __name__ == "__main__":
    main()
