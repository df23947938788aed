"""Ray: a cluster that runs, through `ray.init(address)`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aedetect.execution.cluster import Size, Work, gave_up, unreachable

_RETRIES = 3  # of an item that raised or whose worker is lost
_AHEAD = 4  # items per core that are submitted


@contextmanager
def ray_connected(address: str) -> Iterator[_Ray]:
    """Connect to a cluster, unless this process is connected already."""
    import ray

    mine = not ray.is_initialized()
    try:
        if mine:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise unreachable("ray", address, error) from error
    try:
        yield _Ray(address)
    finally:
        if mine:
            ray.shutdown()


@dataclass(frozen=True)
class _Ray:
    """A cluster that answered."""

    address: str

    def size(self) -> Size:
        """Return the nodes and their cores."""
        nodes = self._nodes()
        cores = sum(int(node["Resources"].get("CPU", 0)) for node in nodes)
        return Size(len(nodes), cores)

    def everywhere(self, work: Work, shared: bytes) -> Mapping[str, bytes]:
        """Run the function once on each node that computes."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = ray.remote(work)
        asked = {}
        for node in self._nodes():
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
            options = remote.options(scheduling_strategy=there, num_cpus=0)
            asked[name] = options.remote(shared, b"")
        try:
            return {name: ray.get(reference) for name, reference in asked.items()}
        except Exception as error:
            raise gave_up("ray", self.address, error) from error

    def compute(
        self, work: Work, items: Sequence[bytes], *, shared: bytes
    ) -> Iterator[tuple[int, bytes]]:
        """Submit some items for each core, and another one whenever one is done."""
        import ray

        remote: Any = ray.remote(work).options(max_retries=_RETRIES, retry_exceptions=True)
        common, left = ray.put(shared), iter(enumerate(items))
        pending: dict[Any, int] = {}
        most = max(_AHEAD * self.size().cores, 1)
        try:
            while True:
                for number, item in islice(left, most - len(pending)):
                    pending[remote.remote(common, item)] = number
                if not pending:
                    return
                ready, _ = ray.wait(list(pending), num_returns=1)
                yield pending.pop(ready[0]), bytes(ray.get(ready[0]))
        except Exception as error:
            raise gave_up("ray", self.address, error) from error

    def _nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that are alive and have cores for work."""
        import ray

        try:
            return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        except Exception as error:
            raise gave_up("ray", self.address, error) from error
