"""What bounds the speed of scoring, each part alone on one thread: python benchmarks/limits.py.

Rows of 20 numbers, as `benchmarks/scoring.py` writes them: decoding Parquet, and cells moved to
rows; windows of 32 rows, cut and multiplied to 20 outputs; one file of scores written. Processor
seconds, the least of several runs, so that other work beside it counts little.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scoring import FEATURES, write_input

from aedetect.data import Query, find_files
from aedetect.data.plain_files import read_plain
from aedetect.detector.reconstruction import CHUNK, from_windows
from aedetect.models.layers import narrow

ROWS, LENGTH, RUNS = 288_000, 32, 7


def main() -> None:
    """Print rows per second of each part."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder / "input", rows=ROWS, one_file=False)
        files = find_files([str(folder / "input")], timestamp="timestamp").files
        names = [f"f{index}" for index in range(FEATURES)]
        query = Query(
            files=files,
            timestamp="timestamp",
            entity="entity",
            categories=dict.fromkeys(names, ()),
        )
        matrix = np.random.default_rng(0).standard_normal((ROWS, FEATURES)).astype(np.float32)
        weight, bias = torch.randn(FEATURES, LENGTH * FEATURES), torch.zeros(FEATURES)
        ends = np.arange(LENGTH, ROWS)
        windows = torch.randn(CHUNK, LENGTH * FEATURES)
        scores = _scores()

        def decode() -> None:
            for file in files:
                with pq.ParquetFile(file.path) as parquet:
                    for _ in parquet.iter_batches(1 << 14, use_threads=False):
                        pass

        def multiply() -> None:
            with torch.inference_mode():
                for _ in range(ROWS // CHUNK):
                    narrow(windows, weight, bias)

        def cut_and_multiply() -> None:
            shape = {"length": LENGTH, "width": FEATURES}
            from_windows(lambda each: narrow(each.flatten(1), weight, bias), matrix, ends, **shape)

        _show("Parquet to columns", decode)
        _show("Parquet to ordered rows", lambda: [None for _ in read_plain(query)])
        _show("the product alone", multiply)
        _show("windows and product", cut_and_multiply)
        _show("scores to Parquet", lambda: pq.write_table(scores, folder / "s", compression="zstd"))


def _scores() -> pa.Table:
    random = np.random.default_rng(1)
    moments = np.sort(random.integers(0, 86_400_000, ROWS))
    return pa.table(
        {
            "timestamp": pa.array(moments, pa.timestamp("ms")),
            "entity": pa.array(["machine-00"] * ROWS),
            "score": random.gamma(2, size=ROWS).astype(np.float32),
            "p_value": random.integers(1, 20_000, ROWS) / 20_000,
            "verdict": pa.array(["normal"] * ROWS),
            "reason": pa.nulls(ROWS, pa.string()),
        }
    )


def _show(what: str, run: Callable[[], object]) -> None:
    best = np.inf
    for _ in range(RUNS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    print(f"{what:24} {ROWS / best:12,.0f} rows/s", flush=True)


if __name__ == "__main__":
    main()
