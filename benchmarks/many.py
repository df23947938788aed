"""Train and score many detectors: python benchmarks/many.py [--detectors 200] [--variant linear].

One file a day holds all sites, a row a minute each: 1,440 rows of 100 columns for each detector,
which follow eight hidden loads. It prints wall clock and processor seconds of all processes, of the
training of all detectors (`[detector] by`), of the first scoring of the same day, and of a run that
finds nothing to do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processor_time import spent

from aedetect.config import Config, make_config
from aedetect.execution.local_pool import usable_cores
from aedetect.jobs.scoring_many import score_values
from aedetect.jobs.training_many import train_many

ROWS, COLUMNS, LOADS = 1_440, 100, 8


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", type=int, default=200)
    parser.add_argument("--variant", default="linear", help='"auto" is the default network')
    parser.add_argument("--processes", type=int, default=usable_cores())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_day(folder / "in" / "day.parquet", sites=asked.detectors)
        config = configured(folder, asked.variant)
        print(f"{asked.detectors:,} detectors, {asked.variant}, {asked.processes} processes")
        with timed("train"):
            trained = train_many([config], processes=asked.processes)
        failed = [f"{each.name}: {each.error}" for each in trained if each.error is not None]
        print(f"{len(trained) - len(failed):,} registered, {len(failed):,} failed", *failed[:3])
        for step in ("score", "nothing to do"):
            with timed(step):
                scored = score_values(config, processes=asked.processes)
            print(f"{scored.rows:,} rows scored, {len(scored.failed):,} runs failed")


def configured(folder: Path, variant: str) -> Config:
    """Return the configuration."""
    given = {
        "detector": {"name": "plant", "by": "site"},
        "data": {"train": "in", "timestamp": "time"},
        "model": {"variant": variant},
        "scoring": {"input": "in", "output": "out"},
    }
    return make_config(given, folder=folder)


def write_day(path: Path, *, sites: int) -> None:
    """Write a day of all sites, one after the other."""
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    time_of = np.datetime64("2026-01-01", "us") + np.arange(ROWS).astype("timedelta64[m]")
    names = [f"c{number:02}" for number in range(COLUMNS)]
    writer: pq.ParquetWriter | None = None
    for number in range(sites):
        periods = random.uniform(60, 700, LOADS)
        loads = np.sin(np.arange(ROWS)[:, None] * 2 * np.pi / periods)
        loads += 0.05 * random.normal(size=loads.shape).cumsum(0)
        values = loads @ random.normal(size=(LOADS, COLUMNS))
        values += 0.2 * random.normal(size=values.shape)
        columns = {"time": time_of, "site": [f"site{number:04}"] * ROWS}
        table = pa.table(columns | dict(zip(names, values.T, strict=True)))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


class timed:  # noqa: N801 - reads as a verb
    """Prints what the body took: wall clock, and the processor time of this process and others."""

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Begin."""
        self._wall, self._spent = time.perf_counter(), spent()

    def __exit__(self, *_: object) -> None:
        """End."""
        wall, cost = time.perf_counter() - self._wall, spent() - self._spent
        print(f"{self._step:14} {wall:7.1f} s, {cost:7.1f} CPU s", flush=True)


if __name__ == "__main__":
    main()
