"""What runs on a worker, and what a worker must have in common with the driver."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from plant import DAYS

from aedetect.data import find_files
from aedetect.errors import ClusterError, ConfigError
from aedetect.execution import cluster
from aedetect.execution.probe import find_obstacle, probe_for
from aedetect.execution.shipping import pack_folder, unpack_folder
from aedetect.execution.work import SharedJob, compute_packed
from aedetect.scoring.settings import ScoringSettings


@pytest.fixture
def probe(plant):
    """A probe for the output and the input of a plant."""
    plant.output.mkdir()
    files = find_files([str(plant.incoming)], timestamp="time").files
    with probe_for(plant.output, files) as probe:
        yield probe


def test_the_process_that_asks_has_no_obstacle(probe):
    """One file of each input folder is looked at."""
    assert find_obstacle(probe) is None
    assert [path.rpartition("/")[2] for path, _ in probe.inputs] == [f"{DAYS[0]}.parquet"]


def test_nothing_is_left_in_the_output(plant):
    """Neither by the process that asks nor by workers."""
    plant.output.mkdir()
    with probe_for(plant.output, ()) as probe:
        find_obstacle(probe)
    assert list(plant.output.iterdir()) == []


def test_other_versions_are_an_obstacle(probe):
    """They might give other bytes."""
    other = replace(probe, versions={**probe.versions, "torch": "1.0"})
    assert "and this process 1.0: install the same versions" in find_obstacle(other)


def test_another_folder_at_the_same_path_is_an_obstacle(probe):
    """It lacks the file with the random name, or has other content in it."""
    assert "does not see the files of" in find_obstacle(replace(probe, mark="0"))
    (probe.place / probe.mark).write_text("")
    assert "sees another folder as" in find_obstacle(probe)


def test_other_input_is_an_obstacle(probe, plant):
    """A file that is missing, and one of another size."""
    ((path, size),) = probe.inputs
    other = replace(probe, inputs=((path, size + 1),))
    assert f"sees another file as {path}" in find_obstacle(other)
    gone = replace(probe, inputs=((f"{plant.folder}/gone.parquet", 1),))
    assert "gone.parquet (No such file or directory): make [scoring] input" in find_obstacle(gone)


def test_a_worker_that_joined_late_is_looked_at(probe, plant):
    """Before it computes anything; the error comes back as the result, so that none retries it."""
    packed = pack_folder(plant.incoming)
    job = SharedJob(
        probe=replace(probe, mark="late"),
        detector=packed,
        name="plant",
        version=1,
        output=plant.output,
    )
    result = compute_packed(pickle.dumps(job), pickle.dumps(()))
    error = pickle.loads(result)  # noqa: S301 - made above
    assert isinstance(error, ClusterError)
    assert "does not see the files of" in str(error)


def test_a_shipped_folder_is_unpacked_once(plant):
    """The same content has one folder in a process."""
    place = unpack_folder(pack_folder(plant.incoming))
    assert place == unpack_folder(pack_folder(plant.incoming))
    assert pack_folder(plant.incoming).digest == pack_folder(type(plant.incoming)(place)).digest


@pytest.mark.parametrize("engine", ["dask", "ray", "spark"])
def test_a_missing_package_is_named_with_its_extra(engine, monkeypatch):
    """The message has the command."""
    monkeypatch.setattr(cluster, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=rf"pip install 'aedetect\[{engine}\]'"):
        cluster.connect_cluster(engine, "anywhere")


def test_a_cluster_needs_an_address():
    """The message has one."""
    with pytest.raises(ConfigError, match=r"needs \[scoring\] address, got none.*tcp://scheduler"):
        ScoringSettings(executor="dask")
    assert ScoringSettings(address="tcp://host:8786").executor == "local"
