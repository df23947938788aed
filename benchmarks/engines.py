"""DuckDB and pyarrow for reading and sorting: python benchmarks/engines.py [--rows 4000000].

Both engines read the same unsorted daily files and return the rows sorted by entity and time in
batches, each in its own process: seconds and peak memory. pyarrow has no out-of-core sort, no SQL
for `normal`; DuckDB gets the memory limit of training.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES, ENTITIES, FILES = 20, 40, 20
RUN = """
import resource, sys, time
from pathlib import Path
engine, source, limit = sys.argv[1:]
start = time.perf_counter()
if engine == "duckdb":
    import tempfile
    from aedetect.data import Query, find_files, open_engine, read_rows
    files = find_files([source], timestamp="timestamp").files
    query = Query(files=files, timestamp="timestamp", entity="entity",
                  categories={f"f{i}": () for i in range(20)})
    with tempfile.TemporaryDirectory() as scratch:
        with open_engine(memory_mb=int(limit), threads=2, scratch=Path(scratch)) as connection:
            rows = sum(len(batch) for batch in read_rows(connection, query))
else:
    import pyarrow.dataset as ds
    table = ds.dataset(source).to_table()
    ordered = table.sort_by([("entity", "ascending"), ("timestamp", "ascending")])
    rows = sum(batch.num_rows for batch in ordered.to_batches(max_chunksize=32_768))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{rows:,} rows  {time.perf_counter() - start:5.1f} s  {peak:6,.0f} MB")
"""


def write_files(folder: Path, *, rows: int) -> None:
    """Write files with unsorted rows."""
    rng = np.random.default_rng(0)
    names = pa.array([f"machine-{number:02d}" for number in range(ENTITIES)])
    for number in range(FILES):
        count = rows // FILES
        seconds = number * 86_400 + rng.integers(0, 86_400, count)
        columns = {
            "timestamp": pa.array(seconds * 1000, pa.timestamp("ms")),
            "entity": names.take(pa.array(rng.integers(0, ENTITIES, count))),
        }
        values = rng.standard_normal((FEATURES, count)).astype(np.float32)
        table = pa.table(columns | {f"f{index}": values[index] for index in range(FEATURES)})
        pq.write_table(table, folder / f"{number:02d}.parquet")


def main() -> None:
    """Print one line per engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), rows=asked.rows)
        for name, engine, limit in (
            ("DuckDB, 1,000 MB", "duckdb", "1000"),
            ("DuckDB, 300 MB", "duckdb", "300"),
            ("pyarrow", "pyarrow", "0"),
        ):
            command = [sys.executable, "-c", RUN, engine, folder, limit]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
            print(f"{name:18} {done.stdout.strip()}", flush=True)
            time.sleep(1)  # keep pending disk writes out of the next measurement


if __name__ == "__main__":
    main()
