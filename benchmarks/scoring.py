"""Speed and memory of scoring, end to end: python benchmarks/scoring.py [--rows 2000000 8000000].

Parquet in, Parquet out, 20 features, windows of 16: seconds and peak memory of `aedetect score`,
including the start of Python and Prefect, at several sizes. The difference of two sizes gives the
rate without the start, and shows that memory does not grow. Beside it, in turns on the same files,
the isolation forest of scikit-learn; with --peers the programs of benchmarks/batch_peers.py (PyOD
is not a requirement: pip install pyod, or it is left out), with --before PYTHON another version of
aedetect, by the Python that it is installed for. Medians of --repeat runs.
`--columns 100 --rows 10000000 --alone` are a billion readings.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
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
from batch_peers import scripts

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


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each part of the costs of several runs."""
    parts = ([getattr(each, name) for each in costs] for name in Cost.__annotations__)
    return Cost(*map(statistics.median, parts))


def shown(rows: int, costs: Sequence[Cost]) -> str:
    """Return such as "24.0 s (23.1 to 25.9) | 333,333 | 844 | 37.1"."""
    cost, seconds = median(costs), [each.seconds for each in costs]
    least = f" ({min(seconds):.1f} to {max(seconds):.1f})" if len(costs) > 1 else ""
    rate = f"{rows / cost.seconds:,.0f} | {cost.megabytes:,.0f} | {cost.processor:.1f}"
    return f"{cost.seconds:.1f} s{least} | {rate}"


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


@dataclass(frozen=True)
class Contest:
    """The programs that score the same files in turns, by name: commands and their folders."""

    folder: Path
    versions: dict[str, str]  # Python of each version of aedetect
    scripts: dict[str, str]

    def train(self, *, columns: int) -> None:
        """Train each version, in a folder of its own."""
        for name, python in self.versions.items():
            (self.folder / name).mkdir()
            write_training(self.folder / name, columns=columns)
            measure([python, "-m", "aedetect", "train", "bench.toml"], self.folder / name)

    def turn(self, source: Path) -> dict[str, Cost]:
        """Let each score the files once; what they write is deleted."""
        found = {}
        target = self.folder / "scored"
        for name, python in self.versions.items():
            given = ["--set", f"scoring.input={source}", "--set", f"scoring.output={target}"]
            command = [python, "-m", "aedetect", "score", "bench.toml", *given]
            found[name] = measure(command, self.folder / name)
            shutil.rmtree(target)
        train = self.folder / next(iter(self.versions)) / "train.parquet"
        for name, text in self.scripts.items():
            command = [sys.executable, "-c", text, str(train), str(source), str(target)]
            found[name] = measure(command, self.folder)
            shutil.rmtree(target)
        return found


def parse_arguments() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000_000, 8_000_000])
    parser.add_argument("--one-file", action="store_true", help="one file, entity after entity")
    parser.add_argument("--columns", type=int, default=FEATURES)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--before", help="Python of another version of aedetect")
    peers = parser.add_mutually_exclusive_group()
    peers.add_argument("--alone", action="store_true", help="without the isolation forest")
    peers.add_argument("--peers", action="store_true", help="with all peers")
    return parser.parse_args()


def main() -> None:
    """Print a line for each size and program."""
    asked = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = {"aedetect before": asked.before} if asked.before else {}
        contest = Contest(
            folder,
            {"aedetect score": sys.executable, **before},
            {} if asked.alone else scripts(every=asked.peers),
        )
        contest.train(columns=asked.columns)
        print("| rows | program | wall clock | rows/s | peak MB | processor s |")
        print("|---|---|---|---|---|---|")
        found: dict[int, dict[str, list[Cost]]] = {}
        for rows in asked.rows:
            source = folder / f"input-{rows}"
            write_input(source, rows=rows, one_file=asked.one_file, columns=asked.columns)
            turns = [contest.turn(source) for _ in range(asked.repeat)]
            found[rows] = {each: [turn[each] for turn in turns] for each in turns[0]}
            for each, costs in found[rows].items():
                print(f"| {rows:,} | {each} | {shown(rows, costs)} |", flush=True)
            shutil.rmtree(source)
        few, many = asked.rows[0], asked.rows[-1]
        for each in found[many] if many > few else ():
            more = median(found[many][each]).seconds - median(found[few][each]).seconds
            print(f"without the start, {each}: {(many - few) / more:,.0f} rows/s")


if __name__ == "__main__":
    main()
