"""Partitions on Ray and Spark, where they are installed: the bytes of a local run."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec

import pytest
from plant import DAYS, contents, settings_of_each

from aedetect.config import make_config
from aedetect.execution import describe_cluster
from aedetect.jobs.training_many import train_many
from aedetect.registry import fetch_version
from aedetect.scoring import sharding

# Both leave sockets and threads to the end of the process, and use what Python deprecates.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def ray_cluster():
    """Start a node of this machine; its address."""
    if find_spec("ray") is None:
        pytest.skip("needs pip install 'aedetect[ray]'")
    import ray

    # Ray takes 127.0.0.1 for the address of the host; other loopback addresses it leaves alone.
    started = ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.2"
    )
    yield started.address_info["gcs_address"]
    ray.shutdown()


@pytest.fixture
def spark_master(monkeypatch):
    """Return the address of a Spark in this process: two cores."""
    if find_spec("pyspark") is None:
        pytest.skip("needs pip install 'aedetect[spark]'")
    if shutil.which("java") is None:
        pytest.skip("needs Java, such as `apt install default-jre-headless`")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    return "local[2]"


def trained_detectors(folder, make_frame, write, engine, address):
    """Train two detectors here and on a cluster: their files, each twice."""
    write(make_frame(units=("east", "west"), rows=400), folder / "in" / "day.parquet")
    given = settings_of_each("unit")
    here = make_config(given, folder=folder)
    there = make_config(
        given | {"scoring": {"executor": engine, "address": address}}, folder=folder
    )
    uri = here.tracking_uri
    return [
        [
            contents(fetch_version(each.registered, tracking_uri=uri))
            for each in train_many([config], processes=1)
        ]
        for config in (here, there)
    ]


def test_ray_trains_what_this_machine_trains(tmp_path, make_frame, write, ray_cluster):
    """The detector of each value is the same."""
    here, there = trained_detectors(tmp_path, make_frame, write, "ray", ray_cluster)
    assert here == there


def test_spark_trains_what_this_machine_trains(tmp_path, make_frame, write, spark_master):
    """The detector of each value is the same."""
    here, there = trained_detectors(tmp_path, make_frame, write, "spark", spark_master)
    assert here == there


def test_ray_divides_a_day_that_is_too_large(plant, ray_cluster, monkeypatch):
    """By entities, and merges it: the bytes of one that is computed in one piece."""
    monkeypatch.setattr(sharding, "_FEWEST_CELLS", 7_000)  # 1,000 rows of three columns
    day = {"input": f"incoming/{DAYS[1]}.parquet"}
    plant.score(**day, output="local")
    plant.score(**day, output="ray", executor="ray", address=ray_cluster)
    assert contents(plant.folder / "ray") == contents(plant.folder / "local")


def test_ray_writes_the_bytes_of_a_local_run(plant, ray_cluster):
    """With the cluster that this process is connected to."""
    plant.score(output="local")
    plant.score(output="ray", executor="ray", address=ray_cluster)
    assert contents(plant.folder / "ray") == contents(plant.folder / "local")
    assert describe_cluster("ray", ray_cluster).endswith("answers: 1 workers, 2 cores")


def test_spark_writes_the_bytes_of_a_local_run(plant, spark_master):
    """In waves of items."""
    plant.score(output="local")
    plant.score(output="spark", executor="spark", address=spark_master)
    assert contents(plant.folder / "spark") == contents(plant.folder / "local")
