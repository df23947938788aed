"""Dask: a scheduler and its workers, through `dask.distributed.Client`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from aedetect.errors import ClusterError
from aedetect.execution.cluster import Size, Work, gave_up, unreachable
from aedetect.logs import muted

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT = 20  # seconds to wait for the scheduler
_WORKERS = 60  # seconds to wait for a first worker, and for another one when all are lost
_LOOK = 5.0  # seconds between looks at the workers while nothing is done
_RETRIES = 2  # of an item that raised; lost workers are the scheduler's `allowed-failures`
_AHEAD = 4  # items per core that the scheduler knows: it need not hold a million
_NOISE = ("distributed.client", "distributed.core", "distributed.comm", "distributed.batched")


@contextmanager
def dask_connected(address: str) -> Iterator[_Dask]:
    """Connect to a scheduler; its futures are released at the end, so that it forgets the items."""
    from distributed import Client

    with muted(dict.fromkeys(_NOISE, logging.CRITICAL)):
        try:
            client = Client(address, timeout=_CONNECT, name="aedetect", set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError) as error:
            raise unreachable("dask", address, error) from error
        try:
            yield _Dask(client, address)
        finally:
            client.close(timeout=_CONNECT)


@dataclass(frozen=True)
class _Dask:
    """A scheduler that answered."""

    client: Client
    address: str

    def size(self) -> Size:
        """Wait for a first worker, and return how many there are."""
        cores = self._cores()
        end = time.monotonic() + _WORKERS
        while not cores:
            if time.monotonic() > end:
                raise ClusterError(
                    f"dask at {self.address} has no workers: start some with "
                    f"`dask worker {self.address}`"
                )
            time.sleep(0.1)
            cores = self._cores()
        return Size(len(cores), sum(cores.values()))

    def everywhere(self, work: Work, shared: bytes) -> Mapping[str, bytes]:
        """Run the function once on each worker; one that is lost meanwhile is left out."""
        try:
            found = self.client.run(work, shared, b"", on_error="return")
            names = self.client.run(_name, on_error="return")
        except Exception as error:
            raise gave_up("dask", self.address, error) from error
        results = {}
        for place, each in found.items():
            if isinstance(each, OSError):  # its connection is closed
                continue
            if isinstance(each, BaseException):
                raise gave_up("dask", self.address, f"{place}: {each}")
            results[f"{place} ({names.get(place)})"] = each
        return results

    def compute(
        self, work: Work, items: Sequence[bytes], *, shared: bytes
    ) -> Iterator[tuple[int, bytes]]:
        """Submit some items for each core, and another one whenever one is done."""
        done: SimpleQueue[tuple[int, Future]] = SimpleQueue()
        pending: dict[int, Future] = {}
        # A task and not `scatter`: when the workers that hold it are lost, it is made again.
        common = self._submit(bytes, shared)
        left = iter(enumerate(items))

        def submit(count: int) -> None:
            for number, item in islice(left, count):
                future = self._submit(work, common, item)
                pending[number] = future
                future.add_done_callback(lambda each, number=number: done.put((number, each)))

        submit(max(_AHEAD * self.size().cores, 1))
        while pending:
            number, future = self._next(done)
            del pending[number]
            yield number, self._result(future)
            submit(1)

    def _submit(self, function: Any, *arguments: Any) -> Future:
        try:
            return self.client.submit(function, *arguments, pure=False, retries=_RETRIES)
        except Exception as error:
            raise gave_up("dask", self.address, error) from error

    def _next(self, done: SimpleQueue[tuple[int, Future]]) -> tuple[int, Future]:
        """Wait for the next item; raise ClusterError when there are no workers for too long."""
        seen = time.monotonic()
        while True:
            try:
                return done.get(timeout=_LOOK)
            except Empty:
                seen = self._seen(seen)

    def _result(self, future: Future) -> bytes:
        """Fetch a result; when the worker that has it is lost, wait until it is computed again."""
        seen = time.monotonic()
        while True:
            try:
                return bytes(future.result(timeout=_LOOK))
            except TimeoutError:
                seen = self._seen(seen)
            except Exception as error:
                # A closed connection is an OSError.
                lost = future.cancelled() or isinstance(error, OSError)
                reason = "the scheduler is gone" if lost else error
                raise gave_up("dask", self.address, reason) from error

    def _seen(self, before: float) -> float:
        """Return when there were workers last; raise ClusterError if that is too long ago."""
        now = time.monotonic()
        if self._cores():
            return now
        if now - before > _WORKERS:
            raise gave_up("dask", self.address, f"all workers are gone for {_WORKERS} s")
        return before

    def _cores(self) -> Mapping[str, int]:
        """Return the cores of each worker by its address."""
        try:
            found: Mapping[str, int] = self.client.nthreads()
        except Exception as error:
            raise gave_up("dask", self.address, error) from error
        return found


def _name(dask_worker: Any) -> str:
    """Return the name of a worker; Dask hands it in by the name of the parameter."""
    return str(dask_worker.name)
