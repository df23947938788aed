"""Partitions on a Dask cluster of this machine: the bytes of a local run, whatever dies."""

from __future__ import annotations

import pytest
from dask_cluster import dask_cluster, wait_until
from plant import DAYS, contents

from aedetect.errors import ClusterError, ConfigError


@pytest.fixture(scope="session")
def cluster():
    """Start a scheduler and three workers once."""
    with dask_cluster(workers=3) as cluster:
        yield cluster


def test_the_bytes_are_those_of_a_local_run(plant, cluster):
    """Also the counts of the run."""
    local = plant.score(partition="hour", output="local")
    remote = plant.score(
        partition="hour", output="remote", executor="dask", address=cluster.address
    )
    assert contents(plant.folder / "local") == contents(plant.folder / "remote")
    assert remote == local
