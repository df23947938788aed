"""Processes of this machine behind the interface of a cluster, for work that is not scoring a unit.

Each has one thread. An item whose process dies, such as for lack of memory, is computed once more,
alone; when that process dies too, its result is an error, and the other items go on.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aedetect.errors import ClusterError
from aedetect.execution.cluster import Size, Work

_AHEAD = 4  # items per process that are submitted
_LOOK = 2.0  # seconds between looks at the process that started this one
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = tuple(Path(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
_DIED = "its process ended without a result, twice: too little memory, or it was killed"


class _Process:
    """Whether this process is one of many that share the machine."""

    is_one_of_many = False


def usable_cores() -> int:
    """Return how many cores this process may use; 1 in a process of a pool."""
    if _Process.is_one_of_many:
        return 1
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, *_quotas(cores)))


def _quotas(cores: int) -> Iterator[int]:
    """Yield the cores that the control group of a container grants, of both versions."""
    yield cores
    with suppress(OSError, ValueError):
        quota, period = _QUOTA.read_text().split()
        yield int(quota) // int(period)  # "max" is no number
    with suppress(OSError, ValueError):
        quota, period = (path.read_text() for path in _QUOTA_V1)
        if int(quota) > 0:
            yield int(quota) // int(period)


@dataclass(frozen=True)
class LocalPool:
    """Some processes; with one, the work is done in the calling process."""

    processes: int

    def size(self) -> Size:
        """Return the number of processes."""
        return Size(self.processes, self.processes)

    def everywhere(self, _work: Work, _shared: bytes) -> Mapping[str, bytes]:
        """Return nothing: they are this machine, with its files and versions."""
        return {}

    def compute(
        self, work: Work, items: Sequence[bytes], *, shared: bytes
    ) -> Iterator[tuple[int, bytes]]:
        """Run the function for each item; yield number and result of each as it is done."""
        numbered = dict(enumerate(items))
        if min(self.processes, len(items)) <= 1:
            yield from ((number, work(shared, item)) for number, item in numbered.items())
            return
        while numbered:
            lost: list[int] = []
            for number, result in _round(self.processes, work, numbered, shared, lost):
                del numbered[number]
                yield number, result
            for number in lost:
                alone = list(_round(1, work, {number: numbered.pop(number)}, shared, []))
                yield alone[0] if alone else (number, pickle.dumps(ClusterError(_DIED)))


def _round(
    processes: int, work: Work, items: Mapping[int, bytes], shared: bytes, lost: list[int]
) -> Iterator[tuple[int, bytes]]:
    """Compute items until all are done, or until a process dies; then note those under way."""
    left = iter(list(items.items()))
    pending: dict[Future[bytes], int] = {}
    with _started(processes) as pool:
        while True:
            for number, item in islice(left, _AHEAD * processes - len(pending)):
                try:
                    pending[pool.submit(work, shared, item)] = number
                except BrokenProcessPool:  # what is not submitted is computed in the next round
                    break
            if not pending:
                return
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                number = pending.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    lost.append(number)
                else:
                    yield number, future.result()
            if lost:
                # The first ones were under way, the others waited for a process.
                waiting = sorted([*lost, *pending.values()])
                lost[:] = waiting[: 2 * processes]
                return


@contextmanager
def _started(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes; they end with the body, at once when it fails."""
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    )
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):  # noqa: SLF001 - nothing public does
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Prepare a process: one thread, no signal of the terminal, an end with its parent."""
    for name in THREADS:
        os.environ[name] = "1"
    _Process.is_one_of_many = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
