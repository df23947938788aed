"""Scoring on 1, 2 and 3 workers of each engine: python benchmarks/executors.py [--rows 1000000].

The input of `benchmarks/scoring.py`, scored without an engine, then on a cluster of this machine,
in the same run: wall clock, processor seconds of all processes, with the import of aedetect by the
workers, and whether the bytes are those of the local run. A worker has one thread. Workers on one
machine share its cores: with as many workers as cores the figure shows what an engine costs, beyond
that nothing is gained. `--items` measures an engine alone, without aedetect: items that do nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from processor_time import spent
from scoring import write_input, write_training

from aedetect.config import Config, read_config
from aedetect.execution.cluster import connect_cluster
from aedetect.execution.local_pool import usable_cores
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.training import run_training
from aedetect.scoring.settings import ExecutorName

PACKAGES = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}
DAEMONS = {"dask": (), "ray": (b"ray::", b"raylet", b"gcs_server"), "spark": ()}
BIN = Path(sys.executable).parent


def main() -> None:
    """Print a line for each engine and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--engines", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    parser.add_argument("--items", type=int, default=300)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_training(folder)
        run_training(configured(folder, "none", "model.variant=linear"))  # what `auto` takes here
        write_input(folder / "input", rows=asked.rows, one_file=False)
        took, cost = scored(configured(folder, "local"))
        rate = f"{took:6.1f} s {asked.rows / took:9,.0f} rows/s"
        print(f"local, {usable_cores()} cores       {rate} {cost:6.1f} CPU s", flush=True)
        local = content(folder / "local")
        for engine in asked.engines:
            if find_spec(PACKAGES[engine]) is None:
                print(f"{engine}: not installed")
                continue
            for workers in asked.workers:
                output = f"{engine}-{workers}"
                begin, before = time.perf_counter(), spent()
                with cluster(engine, workers, folder) as address:
                    keys = [f"scoring.executor={engine}", f"scoring.address={address}"]
                    ready = spent(daemons=DAEMONS[engine])
                    took, _ = scored(configured(folder, output, *keys))
                    end = spent(daemons=DAEMONS[engine])
                    idle = overhead(engine, address, asked.items)
                whole = time.perf_counter() - begin
                same = "same bytes" if content(folder / output) == local else "OTHER BYTES"
                rate = f"{took:6.1f} s {asked.rows / took:9,.0f} rows/s"
                print(
                    f"{engine:6} {workers} workers    {rate} "
                    f"{end - ready:6.1f} CPU s; {ready - before:.1f} CPU s to start, "
                    f"{whole:.1f} s in all, {same}; "
                    f"{1000 * idle / asked.items:.1f} ms an item that does nothing",
                    flush=True,
                )
                shutil.rmtree(folder / output)


def configured(folder: Path, output: str, *keys: str) -> Config:
    """Read the configuration with an output of its own."""
    return read_config(folder / "bench.toml", [f"scoring.output={output}", *keys])


def scored(config: Config) -> tuple[float, float]:
    """Score; return seconds and processor seconds, those of its own processes included."""
    begin, before = time.perf_counter(), spent()
    run_scoring(config)
    return time.perf_counter() - begin, spent() - before


def overhead(engine: ExecutorName, address: str, count: int) -> float:
    """Return the seconds that an engine takes for items that do nothing."""
    with connect_cluster(engine, address) as found:
        list(found.compute(nothing, [b""], shared=b""))
        begin = time.perf_counter()
        done = sum(1 for _ in found.compute(nothing, [b""] * count, shared=b""))
    assert done == count
    return time.perf_counter() - begin


def nothing(_shared: bytes, item: bytes) -> bytes:
    """Do nothing."""
    return item


def content(output: Path) -> dict[str, bytes]:
    """Return the verdicts with their bytes."""
    kinds = ("scores", "flagged", "events")
    paths = (path for kind in kinds for path in (output / kind).rglob("*.parquet"))
    return {str(path.relative_to(output)): path.read_bytes() for path in paths}


@contextmanager
def cluster(engine: str, workers: int, folder: Path) -> Iterator[str]:
    """Start a cluster of this machine; its address."""
    if engine == "spark":  # in this process and one of Java
        os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        yield f"local[{workers}]"
        return
    if engine == "ray":
        place = "127.0.0.2"  # 127.0.0.1 is taken for the address of the host
        words = ["start", "--head", f"--node-ip-address={place}", "--port=6399"]
        run(BIN / "ray", *words, f"--num-cpus={workers}", "--include-dashboard=false")
        try:
            yield f"{place}:6399"
        finally:
            run(BIN / "ray", "stop")
        return
    place = str(folder / f"scheduler-{workers}.json")
    shared = ["--scheduler-file", place, "--no-dashboard"]
    started = [begin("dask_scheduler", *shared, "--port=0", "--host=127.0.0.1", folder=folder)]
    started += [
        begin("dask_worker", *shared, "--nthreads=1", "--no-nanny", folder=folder)
        for _ in range(workers)
    ]
    try:
        from distributed import Client

        with Client(scheduler_file=place, timeout=120, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=300)
            address = client.scheduler.address
        yield address
    finally:
        for process in reversed(started):
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait()


def begin(module: str, *words: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a process of Dask."""
    command = [sys.executable, "-m", f"distributed.cli.{module}", *words]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet)  # noqa: S603


def run(*words: str | Path) -> None:
    """Run a command and wait for it."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    main()
