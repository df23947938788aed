"""A process that computes pieces of a scoring run for the one that started it, and its forks.

It imports what computing needs and loads the detector, and only then forks: the pages of both are
shared. Until then it has one thread, so that forking it is safe. It ends when the connection to the
process that started it does, whatever became of that one.

Run by `aedetect.execution.local_processes`, with the file descriptor of each connection.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from aedetect.execution.local_job import DetectorCall, LocalJob, Reply, Said
from aedetect.quick_start import forgo_pandas, own_process, unsearched
from aedetect.scoring import cached_detector
from aedetect.scoring.waves import compute_piece

if TYPE_CHECKING:
    from aedetect.scoring.waves import Piece

# Imported before it is known which detector it is; PyTorch comes with them.
_DETECTORS = (
    "aedetect.detector.calibrated_scorer",
    "aedetect.models.variants",
    "safetensors.torch",
)
_PLAIN = (str, int, float, bool, type(None))


def run_worker() -> None:
    """Load the detector, fork for each further connection, and serve until they end."""
    connections = [Connection(int(number)) for number in sys.argv[1:]]
    own_process()
    with unsearched():  # what is not searched is not written to either: its pages stay shared
        forgo_pandas()
        pa.set_cpu_count(1)
        for name in _DETECTORS:
            import_module(name)
        try:
            job: LocalJob = pickle.loads(connections[0].recv_bytes())  # noqa: S301 - from our own
        except (EOFError, OSError):  # there is nothing to compute
            os._exit(0)
        cached_detector(job.model.folder)
    forks: list[int] = []
    for connection in connections[1:]:
        if (process := os.fork()) == 0:
            for other in connections:
                if other is not connection:
                    other.close()
            _serve(connection, job, [])
        forks.append(process)
    for connection in connections[1:]:
        connection.close()
    _serve(connections[0], job, forks)


def _serve(connection: Connection, job: LocalJob, forks: Sequence[int]) -> None:
    """Compute what comes; a thread notices at once when nothing can come any more."""
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    heard = _Heard()
    events = logging.getLogger("aedetect")
    events.addHandler(heard)
    events.setLevel(logging.INFO)
    events.propagate = False

    def listen() -> None:
        try:
            while True:
                asked.put(connection.recv_bytes())
        except (EOFError, OSError):
            for each in forks:
                os.waitpid(each, 0)
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        work: Piece | DetectorCall = pickle.loads(asked.get())  # noqa: S301
        done = _done(work, job)
        try:
            connection.send_bytes(pickle.dumps(Reply(done=done, said=heard.taken())))
        except OSError:  # the thread ends the process
            return


def _done(work: Piece | DetectorCall, job: LocalJob) -> Any:
    """Return the result of a piece or a call, or the exception that it raised."""
    try:
        if isinstance(work, DetectorCall):
            return work.function(job.model.folder, work.argument)
        return compute_piece(work, model=job.model, output=job.output)
    except Exception as error:
        error.add_note(traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301
        except Exception:
            return RuntimeError(f"{type(error).__name__}: {error}")
        return error


class _Heard(logging.Handler):
    """Keeps log events until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Said] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an event, with fields that can travel."""
        given: dict[str, object] = getattr(record, "fields", {})
        fields = {
            name: value if isinstance(value, _PLAIN) else str(value)
            for name, value in given.items()
        }
        extra = {"event": getattr(record, "event", ""), "fields": fields}
        self._kept.append(
            Said(logger=record.name, level=record.levelno, message=record.getMessage(), extra=extra)
        )

    def taken(self) -> list[Said]:
        """Return the events since the last call."""
        kept, self._kept = self._kept, []
        return kept
