"""Kills of a Dask cluster's processes while they score; the verdicts are those of a local run.

    PYTHONPATH=tests:tests/faults python tests/faults/cluster_kills.py --kills 50

A worker is killed in every round, when a random number of partitions is written, which is 0 in
the time before the first; in every fifth the process that scores or the scheduler is killed as
well, and the run begun again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harm
import pyarrow.parquet as pq
from dask_cluster import PRELOADED, DaskCluster, dask_cluster, wait_until

from aedetect.errors import ClusterError
from aedetect.scoring import grouping

if TYPE_CHECKING:
    from plant import Plant

SEED = 20260104
WORKERS = ("w0", "w1", "w2")
PARTITIONS = 72  # three days by the hour
REMOVED = "2026-01-04"
OTHERS = ("driver", "scheduler")  # killed beside the worker, in turns, in every fifth round
PATIENCE = 180  # seconds that a run may take beside the kills

Check = Callable[[bool, str], None]


@dataclass
class Kills:
    """Rounds of kills; each begins where the one before has ended."""

    plant: Plant
    cluster: DaskCluster
    check: Check
    clusters: ExitStack
    scratch: Path  # where processes of the cluster have their temporary files
    times: random.Random
    seconds: float = 0.0  # until an undisturbed run has written its first partition
    within: int = 0  # kills of a worker after the first partition was written, before the last
    undone: int = 0  # runs that did not complete, as their driver or scheduler was killed

    def undisturbed(self, wanted: dict[str, bytes]) -> None:
        """Score afresh without a kill, and measure its start."""
        begin, driver = time.monotonic(), self._started()
        wait_until(lambda: self._new() or driver.exitcode is not None)
        self.seconds = time.monotonic() - begin
        done = self._ended(driver)
        self.check(done["error"] is None, f"an undisturbed run completes: {done}")
        self.check(harm.pure(self.plant.output) == wanted, "it gives equal bytes")

    def round(self, number: int, wanted: dict[str, bytes]) -> None:
        """Score anew, or a day anew, kill, complete, and compare."""
        expected = self._prepare(number)
        names = [self.times.choice(WORKERS)]
        if number % 5 == 4:
            names.append(OTHERS[number // 5 % 2])
        moments = sorted((self.times.randint(0, expected - 1), name) for name in names)
        driver = self._started()
        for count, name in moments:
            self._wait(count, driver)
            if name in WORKERS:
                self.within += 0 < self._new() < expected
            self._kill(name, driver)
        what = f"kill {number} of {' and '.join(name for _, name in moments)}"
        done = self._ended(driver)
        if names[1:]:
            self.undone += done["error"] is not None
        else:
            self.check(done["error"] is None, f"{what}: others do its work: {done}")
            self.check(done["partitions"] == expected, f"{what}: each partition once: {done}")
        for path in self.plant.output.glob("[!.]*/**/*.parquet"):
            pq.read_table(path)
        self._restore(names)
        if names[1:]:
            done = self._ended(self._started())
            self.check(done["error"] is None, f"{what}: the next run completes it: {done}")
        self.check(harm.pure(self.plant.output).items() >= wanted.items(), f"{what}: equal bytes")
        self._check_nothing_left(what, wanted)

    def _prepare(self, number: int) -> int:
        """Remove all output, or the scores of a day; how many partitions are to be computed."""
        if number % 2 == 0:
            shutil.rmtree(self.plant.output, ignore_errors=True)
            return PARTITIONS
        shutil.rmtree(self.plant.output / "scores" / f"date={REMOVED}")
        return PARTITIONS // 3

    def _started(self):
        keys = {"executor": "dask", "address": self.cluster.address}
        path = self.plant.written(partition="hour", **keys)
        self._result.unlink(missing_ok=True)
        return harm.start(score_apart, path, self._result)

    def _ended(self, driver) -> dict[str, object]:
        """Wait for the end of a run; what came of it."""
        driver.join(PATIENCE)
        self.check(driver.exitcode is not None, f"a run ends within {PATIENCE} s")
        if not self._result.exists():
            return {"error": "killed"}
        return json.loads(self._result.read_text())

    @property
    def _result(self) -> Path:
        return self.plant.folder / "result.json"

    def _wait(self, count: int, driver) -> None:
        """Wait until so many partitions are written, and a random moment more."""
        wait_until(lambda: self._new() >= count or driver.exitcode is not None, PATIENCE)
        time.sleep(self.times.uniform(0, 0.1 if count else self.seconds))

    def _new(self) -> int:
        """Return how many partitions were written since the run began."""
        since = (self.plant.folder / "plant.toml").stat().st_mtime_ns
        found = 0
        for path in self.plant.output.glob("scores/**/*.parquet"):
            with suppress(FileNotFoundError):
                found += path.stat().st_mtime_ns > since
        return found

    def _kill(self, name: str, driver) -> None:
        if name == "driver":
            driver.kill()
        else:
            self.cluster.kill(name)

    def _restore(self, names: Sequence[str]) -> None:
        """Start what was killed."""
        if "scheduler" in names:
            self.clusters.close()
            settings = {"TMPDIR": str(self.scratch)}
            self.cluster = self.clusters.enter_context(dask_cluster(workers=3, settings=settings))
        else:
            self.cluster.add_worker(names[0], settings={"TMPDIR": str(self.scratch)})

    def _check_nothing_left(self, what: str, wanted: dict[str, bytes]) -> None:
        """Score once more: there is nothing to do, and what killed processes left is removed."""
        end = time.monotonic() + PATIENCE
        while any(self.cluster.workers.values()) and time.monotonic() < end:
            time.sleep(0.05)  # of a driver that was killed
        again = self.plant.score(partition="hour")
        self.check(again.partitions == 0, f"{what}: nothing is left to compute: {again.partitions}")
        self.check(harm.pure(self.plant.output) == wanted, f"{what}: nothing is left in the output")
        left = sorted(path.name for path in self.scratch.iterdir())
        self.check(len(left) <= len(WORKERS), f"{what}: nothing is left elsewhere: {left}")


def score_apart(config: Path, place: Path) -> None:
    """Score with each partition as a piece of work of its own; leave a file about the end."""
    from aedetect.config import read_config
    from aedetect.jobs import scoring

    grouping._FEWEST_ROWS = grouping._MOST_ROWS = 1  # noqa: SLF001 - else there are six groups
    found: dict[str, object] = {"error": None}
    try:
        summary = scoring.run_scoring(read_config(config))
        found |= {"partitions": summary.partitions, "rows": summary.rows}
    except ClusterError as error:
        found["error"] = str(error)
    place.write_text(json.dumps(found))


def cluster_kills(plant: Plant, check: Check, *, count: int) -> str:
    """Kill workers, drivers and schedulers; the bytes are those of a local run, nothing is left."""
    shutil.rmtree(plant.output, ignore_errors=True)
    plant.score(partition="hour")
    wanted = harm.pure(plant.output)
    shutil.rmtree(plant.output)
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"  # killed processes are complained of
    harm.FORKS.set_forkserver_preload(PRELOADED)
    harm.start(harm.load).join()  # the process that the others are forked from
    scratch = plant.folder / "scratch"
    scratch.mkdir()
    begin = time.monotonic()
    with ExitStack() as clusters:
        settings = {"TMPDIR": str(scratch)}
        cluster = clusters.enter_context(dask_cluster(workers=len(WORKERS), settings=settings))
        times = random.Random(SEED)  # noqa: S311 - not a secret
        kills = Kills(plant, cluster, check, clusters, scratch, times)
        kills.undisturbed(wanted)
        for number in range(count):
            kills.round(number, wanted)
            took = time.monotonic() - begin
            print(f"  {number + 1} rounds, {kills.within} kills midway, {took:.0f} s", flush=True)  # noqa: T201
    others = count // 5
    return (
        f"kills of Dask workers: {count}, {kills.within} of them while partitions were computed; "
        f"of the driver {others // 2}, of the scheduler {others - others // 2}, "
        f"{kills.undone} of them before the end; equal bytes; {time.monotonic() - begin:.0f} s"
    )


def main() -> None:
    """Run the rounds alone."""
    import soak

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        plant = soak.prepared(Path(name))
        soak.report(cluster_kills(plant, soak.check, count=asked.kills))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
