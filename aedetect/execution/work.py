"""What runs on a worker: a piece of a run, or only the look at what the worker can reach."""

from __future__ import annotations

import os
import pickle
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.errors import AedetectError, ClusterError
from aedetect.execution.probe import Probe, find_obstacle
from aedetect.execution.shipping import PackedFolder, unpack_folder
from aedetect.scoring import Model
from aedetect.scoring.waves import compute_piece

if TYPE_CHECKING:
    from aedetect.scoring.waves import Piece, Result

_MOST_RUNS = 1_000
_fit: set[str] = set()  # marks of runs that this process has looked for


@dataclass(frozen=True, kw_only=True)
class SharedJob:
    """What all groups of a run have in common."""

    probe: Probe
    detector: PackedFolder
    name: str
    version: int
    output: Path


def look_around(shared: bytes, _item: bytes) -> bytes:
    """Return what keeps this worker from computing partitions; empty if nothing."""
    job: SharedJob = pickle.loads(shared)  # noqa: S301 - from the process that runs the job
    obstacle = find_obstacle(job.probe)
    if obstacle is None:
        _remember(job.probe)
    return (obstacle or "").encode()


def compute_packed(shared: bytes, item: bytes) -> bytes:
    """Compute a piece of work; an error of aedetect is a result: a retry would repeat it."""
    job: SharedJob = pickle.loads(shared)  # noqa: S301
    piece: Piece = pickle.loads(item)  # noqa: S301
    done: Result | AedetectError
    try:
        _check_fit(job.probe)
        model = Model(folder=unpack_folder(job.detector), name=job.name, version=job.version)
        done = compute_piece(piece, model=model, output=job.output)
    except AedetectError as error:
        done = error
    return pickle.dumps(done)


def call_packed(shared: bytes, item: bytes) -> bytes:
    """Call a function of the detector's folder; an error of aedetect is a result."""
    function, packed = pickle.loads(shared)  # noqa: S301
    try:
        done = function(unpack_folder(packed), pickle.loads(item))  # noqa: S301
    except AedetectError as error:
        done = error
    return pickle.dumps(done)


def _check_fit(probe: Probe) -> None:
    """Raise ClusterError if this process, which may have joined late, is not fit for the run."""
    if probe.mark in _fit:
        return
    if obstacle := find_obstacle(probe):
        raise ClusterError(f"the worker {socket.gethostname()} (process {os.getpid()}) {obstacle}")
    _remember(probe)


def _remember(probe: Probe) -> None:
    """Remember that this process is fit for a run; workers live for thousands of runs."""
    if len(_fit) > _MOST_RUNS:
        _fit.clear()
    _fit.add(probe.mark)
