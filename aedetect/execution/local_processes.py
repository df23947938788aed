"""Processes of this machine that compute the partitions of a large run, one for each core.

Threads of one process share one interpreter and wait for it. The processes are started as soon as
there is a plan, and compute while the process that started them has other things to import. One
that is lost, such as for lack of memory, ends the run; what is written is whole.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aedetect.errors import ClusterError
from aedetect.execution.local_job import DetectorCall, LocalJob, Reply, Said
from aedetect.execution.local_pool import THREADS

if TYPE_CHECKING:
    from aedetect.scoring import Model, Unit
    from aedetect.scoring.waves import Piece
    from aedetect.scoring.worker import ComputedPartition, Deferred


Group = Sequence["Unit"]
Done = Sequence["ComputedPartition | Deferred"]

_END_SECONDS = 10.0
# Not `-m`: what it pickles must have the names that it has here. It finds the package where it is.
_COMMAND = (
    f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); "
    "from aedetect.execution.local_worker import run_worker; run_worker()"
)
_LOST = (
    "a process that computes partitions ended before its work was done: it was killed, or there "
    "is too little memory; files that are written are whole: run again for the rest"
)


class LocalProcesses:
    """Some processes that compute for this one."""

    def __init__(self, count: int) -> None:
        """Start the processes; they import what they need, and wait for their job."""
        self.count = count
        pairs = [socket.socketpair() for _ in range(count)]
        theirs = [other.fileno() for _, other in pairs]
        self._process = subprocess.Popen(  # noqa: S603 - the command is written here
            [sys.executable, "-P", "-c", _COMMAND, *map(str, theirs)],
            pass_fds=theirs,
            env=os.environ | dict.fromkeys(THREADS, "1"),
            # Its own group: Ctrl+C stops this process, and that ends the others.
            start_new_session=True,
        )
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._connections = [Connection(mine.detach()) for mine, _ in pairs]
        for _, other in pairs:
            other.close()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="partitions")
        self._asked: dict[str, Future[Reply]] = {}
        self._lost = False
        for each in self._connections:
            self._idle.put(each)

    def give(self, *, model: Model, output: Path) -> Self:
        """Say what they compute, once; returns before they are ready."""
        with suppress(OSError):  # lost already: the first group tells
            self._connections[0].send_bytes(pickle.dumps(LocalJob(model=model, output=output)))
        return self

    @property
    def group(self) -> int:
        """The number of their process group."""
        return self._process.pid

    def begin(self, groups: Sequence[Group]) -> Callable[[Group], Done]:
        """Begin to compute groups, in this order; return what waits for one of them."""
        for group in groups:
            self._asked[_name(group)] = self._threads.submit(self._ask, tuple(group))
        return self.compute

    def compute(self, group: Group) -> Done:
        """Wait for a group, which begins now unless it has; raise what computing it raised."""
        begun = self._asked.pop(_name(group), None) or self._threads.submit(self._ask, tuple(group))
        done: Done = _result(begun)
        return done

    def compute_all(self, work: Sequence[Piece | DetectorCall]) -> list[Any]:
        """Do several things; return their results in order, or raise what one raised."""
        asked = [self._threads.submit(self._ask, each) for each in work]
        return [_result(each) for each in asked]

    def call(self, function: Callable[[str, Any], Any], items: Sequence[Any]) -> list[Any]:
        """Call a function of the detector's folder for each item; raise what it raised."""
        return self.compute_all([DetectorCall(function, item) for item in items])

    def kill(self) -> None:
        """End the processes at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)

    def close(self) -> None:
        """End the processes, which are not computing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for each in self._connections:
            each.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def _ask(self, work: Piece | DetectorCall) -> Reply:
        """Send work to a process that has nothing to do, and wait for its reply."""
        if self._lost:
            raise ClusterError(_LOST)
        connection = self._idle.get()
        try:
            connection.send_bytes(pickle.dumps(work))
            reply: Reply = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own process
        except (EOFError, OSError) as error:
            self._lost = True
            raise ClusterError(_LOST) from error
        finally:
            self._idle.put(connection)
        return reply


def _result(begun: Future[Reply]) -> Any:
    """Wait for work; log what was logged for it, and raise what it raised."""
    reply = begun.result()
    for said in reply.said:
        _repeat(said)
    if isinstance(reply.done, BaseException):
        raise reply.done
    return reply.done


def _name(group: Group) -> str:
    return f"{group[0].partition} {len(group)}"


def _repeat(said: Said) -> None:
    """Log here what was logged in a worker."""
    logger = logging.getLogger(said.logger)
    if logger.isEnabledFor(said.level):
        logger.log(said.level, said.message, extra=said.extra)
