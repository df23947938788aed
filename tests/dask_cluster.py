"""A Dask cluster on this machine: a scheduler and workers as processes that tests may kill."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# Forked from a process that has imported everything, so that workers start at once.
FORKS = multiprocessing.get_context("forkserver")
PRELOADED = ["aedetect.execution.work", "aedetect.jobs.scoring", "distributed", "mlflow", "torch"]
NAMESPACE = 0x00020000  # CLONE_NEWNS
PDEATHSIG = 1  # PR_SET_PDEATHSIG


@dataclass
class DaskCluster:
    """The processes of a cluster by name, and the address."""

    folder: Path
    address: str = ""
    processes: dict[str, multiprocessing.Process] = field(default_factory=dict)

    def start(self, name, target, *arguments):
        """Start a process of the cluster."""
        process = FORKS.Process(target=target, args=arguments, daemon=True)
        process.start()
        self.processes[name] = process

    def add_worker(self, name, *, without=None, settings=None):
        """Start a worker, and wait until the scheduler has it; it may be without a folder."""
        self.start(name, work_for, self.address, name, str(self.folder), without, settings)
        wait_until(lambda: name in self.workers, pause=0.2)

    @property
    def workers(self):
        """The names of the workers that the scheduler has, with their items being computed."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=60) as client:
            return client.run_on_scheduler(_workers)

    def kill(self, name):
        """End a process by SIGKILL."""
        process = self.processes.pop(name)
        process.kill()
        process.join()


def _workers(dask_scheduler):
    return {each.name: len(each.processing) for each in dask_scheduler.workers.values()}


def wait_until(condition, seconds=120, pause=0.02):
    """Wait until something holds; the time limit is for a machine that is very busy."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(pause)


@contextmanager
def dask_cluster(*, workers, settings=None):
    """Start a cluster, and end its processes; workers may have settings in the environment."""
    # Its `sys._current_frames` and a thread that begins can wait for each other for ever.
    os.environ["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"
    FORKS.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory(prefix="dask-", ignore_cleanup_errors=True) as name:
        cluster = DaskCluster(Path(name))
        try:
            place = cluster.folder / "address"
            cluster.start("scheduler", schedule, str(place))
            wait_until(place.exists)
            cluster.address = place.read_text()
            for number in range(workers):
                given = (cluster.address, f"w{number}", str(cluster.folder), None, settings)
                cluster.start(f"w{number}", work_for, *given)
            wait_until(lambda: len(cluster.workers) == workers, pause=0.2)
            yield cluster
        finally:
            for each in list(cluster.processes):
                cluster.kill(each)


def tell(place, address):
    """Write a file in one step."""
    aside = place.with_suffix(".new")
    aside.write_text(address)
    aside.rename(place)


def end_with_parent():
    """Let the kernel kill this process when the one that forked it ends, such as an aborted run."""
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)


def schedule(place):
    """Run a scheduler until it is killed; write its address to a file."""
    end_with_parent()

    async def run():
        from distributed import Scheduler

        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
            tell(Path(place), scheduler.address)
            await scheduler.finished()

    asyncio.run(run())


def work_for(address, name, folder, without, settings=None):
    """Run a worker of one thread until it is killed; optionally a folder is empty for it."""
    end_with_parent()
    os.environ.update(settings or {})
    tempfile.tempdir = None  # it is found again, as TMPDIR may be among the settings
    if without is not None:
        hide(without)

    async def run():
        from distributed import Worker

        async with Worker(
            address,
            name=name,
            nthreads=1,
            dashboard=False,
            local_directory=folder,
            memory_limit=0,
        ) as worker:
            await worker.finished()

    asyncio.run(run())


def can_hide():
    """Whether this user may mount folders for one process alone."""
    process = FORKS.Process(target=hide, args=(tempfile.gettempdir(),), daemon=True)
    process.start()
    process.join()
    return process.exitcode == 0


def hide(folder):
    """Mount an empty folder over one, for this process alone."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(NAMESPACE):
        raise PermissionError(os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
