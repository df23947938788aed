"""Groups of partitions on a cluster, with the log events of a run in this process."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.errors import AedetectError, ClusterError
from aedetect.execution.cluster import Cluster, connect_cluster
from aedetect.execution.probe import probe_for
from aedetect.execution.shipping import pack_folder
from aedetect.execution.work import SharedJob, call_packed, compute_packed, look_around
from aedetect.logs import log_event
from aedetect.scoring.waves import Piece, Result, compute_in_waves
from aedetect.scoring.worker import ComputedPartition, Deferred

if TYPE_CHECKING:
    from aedetect.scoring import Model, Unit
    from aedetect.scoring.settings import ExecutorName

logger = logging.getLogger(__name__)


def compute_on_cluster(
    units: Sequence[Unit], *, model: Model, output: Path, executor: ExecutorName, address: str
) -> list[ComputedPartition | Deferred]:
    """Compute partitions on the workers of a cluster, which write the files themselves.

    Raises ClusterError when the cluster does not answer or gives up, and before anything is
    computed when a worker does not reach input and output; the first error of a worker ends the
    run. Whatever is written by then is whole, and the next run computes the rest.
    """
    files = {file.path: file for unit in units for file in unit.files}.values()
    with connect_cluster(executor, address) as cluster, probe_for(output, files) as probe:
        size = cluster.size()
        detector = pack_folder(Path(model.folder))
        job = SharedJob(
            probe=probe, detector=detector, name=model.name, version=model.version, output=output
        )
        log_event(
            logger,
            "cluster",
            executor=executor,
            address=address,
            workers=size.workers or "unknown",
            cores=size.cores,
            partitions=len(units),
        )
        shared = pickle.dumps(job)
        _check_workers(cluster, shared)
        return compute_in_waves(
            units,
            model=model,
            output=output,
            cores=size.cores,
            compute=lambda pieces: _gathered(cluster, pieces, shared),
        )


def call_on_cluster(
    function: Callable[[str, Any], Any],
    items: Sequence[Any],
    *,
    folder: str,
    executor: ExecutorName,
    address: str,
) -> list[Any]:
    """Call a function of a detector's folder for each item; raise as `compute_on_cluster` does."""
    shared = pickle.dumps((function, pack_folder(Path(folder))))
    with connect_cluster(executor, address) as cluster:
        packed = [pickle.dumps(each) for each in items]
        replies = dict(cluster.compute(call_packed, packed, shared=shared))
    results = [pickle.loads(replies[number]) for number in range(len(items))]  # noqa: S301
    for each in results:
        if isinstance(each, AedetectError):
            raise each
    return results


def describe_cluster(executor: ExecutorName, address: str) -> str:
    """Return the size of a cluster in words. Raises as `connect_cluster` does."""
    with connect_cluster(executor, address) as cluster:
        size = cluster.size()
    workers = f"{size.workers} workers, " if size.workers else ""
    return f"{executor} at {address} answers: {workers}{size.cores} cores"


def _check_workers(cluster: Cluster, shared: bytes) -> None:
    """Raise ClusterError for workers that do not reach input and output."""
    found = cluster.everywhere(look_around, shared)
    unfit = {worker: obstacle.decode() for worker, obstacle in found.items() if obstacle}
    if unfit:
        worker, obstacle = next(iter(unfit.items()))
        more = f" ({len(unfit) - 1} more workers are unfit)" if len(unfit) > 1 else ""
        raise ClusterError(f"the worker {worker} {obstacle}{more}")


def _gathered(cluster: Cluster, pieces: Sequence[Piece], shared: bytes) -> list[Result]:
    """Collect the results as they come in, and return them in the order of the pieces."""
    items = [pickle.dumps(piece) for piece in pieces]
    results: dict[int, Result] = {}
    for number, result in cluster.compute(compute_packed, items, shared=shared):
        done = pickle.loads(result)  # noqa: S301 - from our own workers
        if isinstance(done, AedetectError):
            raise done
        results[number] = done
        for each in done if isinstance(done, list) else ():
            _log(each)
    return [results[number] for number in range(len(items))]


def _log(done: ComputedPartition | Deferred) -> None:
    """Log a partition as the process that computes it does."""
    if isinstance(done, Deferred):
        because = "; ".join(map(str, done.because))
        log_event(logger, "deferred", partition=done.partition, because=because)
    else:
        log_event(
            logger, "partition", partition=done.partition, rows=done.rows, flagged=done.flagged
        )
