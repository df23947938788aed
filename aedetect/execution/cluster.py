"""The interface of an engine, and the engines by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

from aedetect.errors import ClusterError, ConfigError
from aedetect.scoring.settings import ExecutorName

_PACKAGES = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}

Work = Callable[[bytes, bytes], bytes]  # what all items share, one item -> its result


@dataclass(frozen=True)
class Size:
    """The size of a cluster; workers is 0 where the engine starts them only for work."""

    workers: int
    cores: int  # items that are computed at a time


class Cluster(Protocol):
    """A cluster to which this process is connected.

    Every method raises ClusterError when the cluster does not answer or gives up.
    """

    def size(self) -> Size:
        """Return the size at this moment."""

    def everywhere(self, work: Work, shared: bytes) -> Mapping[str, bytes]:
        """Run the function once on each worker, with no item; return the results by worker.

        Empty where an engine cannot name its workers before they have work.
        """

    def compute(
        self, work: Work, items: Sequence[bytes], *, shared: bytes
    ) -> Iterator[tuple[int, bytes]]:
        """Run the function for each item; yield number and result of each as it is done.

        Items of lost workers, and those that raised, are run again a few times.
        """


def connect_cluster(executor: ExecutorName, address: str) -> AbstractContextManager[Cluster]:
    """Connect to a cluster. Raises ConfigError without its package, else ClusterError."""
    package = _PACKAGES[executor]
    if find_spec(package) is None:
        raise ConfigError(
            f'[scoring] executor = "{executor}" needs the package {package}, which is not '
            f"installed: pip install 'aedetect[{executor}]', here and on every worker"
        )
    # Engines are imported only when they are used: each takes a second or more.
    module = import_module(f"aedetect.execution.{executor}_engine")
    connected = getattr(module, f"{executor}_connected")
    return cast("AbstractContextManager[Cluster]", connected(address))


def unreachable(engine: str, address: str, error: BaseException) -> ClusterError:
    """Return the error for a cluster that does not answer."""
    return ClusterError(
        f"{engine} at {address} does not answer ({first_line(error)}): start the cluster, or "
        "correct [scoring] address"
    )


def gave_up(engine: str, address: str, error: BaseException | str) -> ClusterError:
    """Return the error for a cluster that ends a run; what is written is whole."""
    reason = error if isinstance(error, str) else first_line(error)
    return ClusterError(
        f"{engine} at {address} did not complete the run ({reason}): see the logs of the cluster, "
        "and run again; partitions that are written are whole and are not computed again"
    )


def first_line(error: BaseException) -> str:
    """Return what an error says, without the traceback that engines append to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
