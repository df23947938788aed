"""Child processes in a working folder with modules that shadow those they need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from plant import ARRIVED, verdicts
from runs import EAGER, free_port, wait_for

from pipelines.triggering import await_end, start_run

SECONDS = 240  # for a command, whose server first creates a database
# Without the environment that earlier tests have set.
ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if key not in {"PYTHONSAFEPATH", "PYTHONPATH"} and not key.startswith("PREFECT_")
}
PROGRAMS = Path(sys.executable).parent  # not `python -P -m`: some children would inherit the -P


@pytest.fixture
def hostile(tmp_path):
    """A folder with modules of all names, each of which records its import."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    fill(folder, {*sys.stdlib_module_names, *packages_distributions(), "aedetect", "pipelines"})
    yield folder
    assert imported(folder) == ""


def fill(folder, names):
    """Write a package for each name."""
    text = (
        "import builtins\n"
        f"with builtins.open({str(folder / 'imported')!r}, 'a') as file:\n"
        "    file.write(f'{__name__} ')\n"
        "raise ImportError(f'{__name__} is from the working folder')\n"
    )
    for name in names:
        if name.isidentifier():
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(text)


def imported(folder):
    """Return the names of the modules of a folder that were imported."""
    record = folder / "imported"
    return record.read_text() if record.exists() else ""


def started(program, *words, folder, **environment):
    """Run a program in a folder."""
    return subprocess.run(
        [PROGRAMS / program, *map(str, words)],
        cwd=folder,
        env=ENVIRONMENT | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.timeout(3 * SECONDS)
def test_training_and_scoring_import_nothing_from_the_working_folder(plant, hostile, tmp_path):
    """Neither does the server that each of them starts, which first creates its database."""
    own = {"PREFECT_HOME": str(tmp_path / "prefect")}
    path = plant.written()
    path.write_text(path.read_text().replace(plant.uri, f"sqlite:///{tmp_path}/mlflow.db"))
    for command in ("train", "score"):
        done = started("aedetect", command, path, folder=hostile, **own)
        assert done.returncode == 0, done.stderr
    assert len(verdicts(plant.output)) == ARRIVED


@pytest.mark.timeout(3 * SECONDS)
def test_served_runs_import_nothing_from_the_working_folder(plant, hostile, tmp_path):
    """Neither does the serving process, nor the child in which Prefect runs the flow."""
    own = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_API_PORT": str(free_port()),
        **EAGER,
    }
    path = plant.written(schedule="* * * * * */10")
    runs = plant.output / "runs"
    with (tmp_path / "log").open("w") as log:
        served = subprocess.Popen(
            [PROGRAMS / "aedetect", "schedule", str(path)],
            cwd=hostile,
            env=ENVIRONMENT | own,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: any(runs.rglob("*.parquet")), served, seconds=SECONDS)
            served.send_signal(signal.SIGTERM)
            assert served.wait(timeout=SECONDS) == 0, (tmp_path / "log").read_text()
        finally:
            served.kill()
    assert len(verdicts(plant.output)) == ARRIVED, (tmp_path / "log").read_text()


@pytest.mark.timeout(3 * SECONDS)
def test_deployed_runs_import_nothing_from_the_working_folder(client, plant, hostile):
    """`deploy --apply` loads the flows, and so does the process that a worker starts."""
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name="beside", type="process"))
    api = {"PREFECT_API_URL": os.environ["PREFECT_API_URL"]}
    done = started(
        "aedetect", "deploy", plant.written(), "--pool", "beside", "--apply", folder=hostile, **api
    )
    assert done.returncode == 0, done.stderr
    run = start_run("plant", flow="scoring", parameters={})
    done = started(
        "prefect", "worker", "start", "--pool", "beside", "--run-once", folder=hostile, **api
    )
    assert done.returncode == 0, done.stderr
    assert "Completed" in await_end(run)
    assert len(verdicts(plant.output)) == ARRIVED


def test_module_of_the_command_line_imports_nothing_from_the_working_folder(tmp_path):
    """Also `python -m aedetect`, for which Python itself searches the working folder."""
    fill(tmp_path, ["pipelines", "prefect", "typer", "rich", "torch"])
    done = subprocess.run(
        [sys.executable, "-m", "aedetect", "models", "none.toml"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "none.toml" in done.stderr
    assert imported(tmp_path) == ""
