"""What a small partition costs: python benchmarks/small_partitions.py [--partitions 200 2000].

Five columns of one entity: daily partitions of 24 rows, a file each, and hourly partitions of 60
rows in files of a month. The difference of two numbers of partitions gives what one costs, its
rows included: milliseconds of wall clock and of processors, of `aedetect score`; and of the next
run, which has nothing to do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scoring import Cost, measure

CONFIG = """
[detector]
name = "small"
[data]
train = "{kind}-train.parquet"
timestamp = "timestamp"
[window]
length = 8
[model]
variant = "linear"
[calibration]
shapes = 0.0
[scoring]
partition = "{kind}"
"""
MINUTES = {"day": 60, "hour": 1}  # between rows
ROWS = {"day": 24, "hour": 60}  # of a partition
IN_A_FILE = {"day": 1, "hour": 720}  # partitions


def table(first: str, *, rows: int, minutes: int) -> pa.Table:
    """Return rows of five columns, of which two drivers are the causes."""
    random = np.random.default_rng(np.datetime64(first).astype(int))
    step = np.timedelta64(minutes * 60_000, "ms")
    times = np.datetime64(first, "ms") + np.arange(rows) * step
    mixing = np.random.default_rng(0).standard_normal((2, 5))
    values = random.standard_normal((rows, 2)) @ mixing + 0.2 * random.standard_normal((rows, 5))
    return pa.table(
        {"timestamp": pa.array(times)} | {f"f{index}": values[:, index] for index in range(5)}
    )


def write_input(folder: Path, kind: str, partitions: int) -> None:
    """Write the rows of some partitions from 2026 on."""
    folder.mkdir()
    each = IN_A_FILE[kind]
    for first in range(0, partitions, each):
        count = min(each, partitions - first)
        start = np.datetime64("2026-01-01", "h") + first * (24 if kind == "day" else 1)
        rows = table(str(start), rows=count * ROWS[kind], minutes=MINUTES[kind])
        pq.write_table(rows, folder / f"{start}.parquet".replace(":", ""))


def score(kind: str, partitions: int, folder: Path) -> tuple[Cost, Cost]:
    """Score new input, and then once more."""
    write_input(folder / f"{kind}-{partitions}", kind, partitions)
    given = [f"scoring.input={kind}-{partitions}", f"scoring.output={kind}-{partitions}-out"]
    words = [word for each in given for word in ("--set", each)]
    command = [sys.executable, "-m", "aedetect", "score", f"{kind}.toml", *words]
    return measure(command, folder), measure(command, folder)


def main() -> None:
    """Print one row for each kind of partition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partitions", type=int, nargs=2, default=[200, 2_000])
    few, many = parser.parse_args().partitions
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"milliseconds a partition, {few:,} and {many:,} of them")
        print("           wall  processor   next run: wall  processor   memory")
        for kind, minutes in MINUTES.items():
            (folder / f"{kind}.toml").write_text(CONFIG.format(kind=kind))
            training = table("2025-06-01", rows=4_000, minutes=minutes)
            pq.write_table(training, folder / f"{kind}-train.parquet")
            measure([sys.executable, "-m", "aedetect", "train", f"{kind}.toml"], folder)
            first, second = score(kind, few, folder), score(kind, many, folder)
            cells = [
                1000 * (more - less) / (many - few)
                for before, after in zip(first, second, strict=True)
                for less, more in (
                    (before.seconds, after.seconds),
                    (before.processor, after.processor),
                )
            ]
            print(
                f"{kind:5} {cells[0]:9.1f} {cells[1]:10.1f} {cells[2]:16.1f} {cells[3]:10.1f} "
                f"{second[0].megabytes:6.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
