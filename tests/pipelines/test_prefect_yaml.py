"""The prefect.yaml, and its deployment by Prefect."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml
from plant import ARRIVED, DAYS, verdicts
from schedules import MORNING, NIGHT, written

from aedetect.errors import OutputError, ServerError
from pipelines.prefect_yaml import apply_manifest, write_manifest
from pipelines.triggering import await_end, start_run


def entries(path):
    """Return the deployments of a file, by flow and detector."""
    found = yaml.safe_load(path.read_text())["deployments"]
    return {(each["entrypoint"].rpartition(".")[2], each["name"]): each for each in found}


def test_both_flows_are_written(tmp_path):
    """With schedule, parameters, limit and pool, and nothing to pull."""
    config = written(tmp_path, scoring={"schedule": MORNING})
    path = tmp_path / "prefect.yaml"
    assert write_manifest([config], path, pool="big") == ["scoring/pump", "training/pump"]
    scoring = entries(path)["scoring", "pump"]
    assert scoring["schedules"] == [{"cron": MORNING, "timezone": "UTC"}]
    assert scoring["parameters"] == {"config_path": str(config)}
    assert scoring["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert scoring["work_pool"]["name"] == "big"
    assert entries(path)["training", "pump"]["schedules"] == []
    assert yaml.safe_load(path.read_text())["pull"] == []


def test_other_detectors_are_kept(tmp_path):
    """A second detector is added; the first is replaced when written again."""
    path = tmp_path / "prefect.yaml"
    write_manifest([written(tmp_path, "east")], path, pool="old")
    write_manifest([written(tmp_path, "west")], path, pool="old")
    write_manifest([written(tmp_path, "east", training={"schedule": NIGHT})], path, pool="new")
    pools = {key: each["work_pool"]["name"] for key, each in entries(path).items()}
    assert pools == {
        ("scoring", "west"): "old",
        ("training", "west"): "old",
        ("scoring", "east"): "new",
        ("training", "east"): "new",
    }
    assert [each.name for each in tmp_path.glob(".*")] == []


def test_foreign_file_is_kept(tmp_path):
    """Unless --force is given."""
    path = tmp_path / "prefect.yaml"
    path.write_text("name: theirs\n")
    with pytest.raises(OutputError, match="was not written by `aedetect deploy`, and stays"):
        write_manifest([written(tmp_path)], path, pool="big")
    assert path.read_text() == "name: theirs\n"
    write_manifest([written(tmp_path)], path, pool="big", force=True)
    assert ("scoring", "pump") in entries(path)


@pytest.mark.parametrize("damage", ["deployments: [", "deployments: 3", "deployments: [3]", "- 1"])
def test_broken_file_is_refused(tmp_path, damage):
    """An unreadable file is not replaced."""
    path = tmp_path / "prefect.yaml"
    write_manifest([written(tmp_path)], path, pool="big")
    broken = path.read_text().splitlines()[0] + "\n" + damage
    path.write_text(broken)
    with pytest.raises(OutputError, match=r"cannot be read as a prefect\.yaml"):
        write_manifest([written(tmp_path)], path, pool="big")
    assert path.read_text() == broken


def test_absent_folder_is_an_output_error(tmp_path):
    """The message has the remedy."""
    with pytest.raises(OutputError, match="name another file with --to"):
        write_manifest([written(tmp_path)], tmp_path / "none" / "prefect.yaml", pool="big")


def test_absent_pool_is_a_server_error(client, tmp_path):
    """With Prefect's message, and the command that creates a pool."""
    path = tmp_path / "prefect.yaml"
    write_manifest([written(tmp_path)], path, pool="nowhere")
    with pytest.raises(ServerError, match="prefect work-pool create"):
        apply_manifest(path)


def test_deployed_detector_is_scored_by_a_worker(client, plant, tmp_path):
    """`prefect deploy --all` accepts the file, and a worker in another folder does the run."""
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name="workers", type="process"))
    path = plant.folder / "prefect.yaml"
    write_manifest([plant.written(schedule=MORNING)], path, pool="workers")
    apply_manifest(path)
    deployment = client.read_deployment_by_name("scoring/plant")
    assert deployment.work_pool_name == "workers"
    assert deployment.global_concurrency_limit.limit == 1
    assert [each.schedule.cron for each in deployment.schedules] == [MORNING]
    run = start_run("plant", flow="scoring", parameters={})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "workers", "--run-once"],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        capture_output=True,
    )
    said = await_end(run)
    assert said.startswith(f"plant {DAYS[0]} to {DAYS[2]}, 2 events: Completed (2 events new or")
    assert MORNING in deployment.description
    assert len(verdicts(plant.output)) == ARRIVED
