"""A scoring command with nothing to compute: no flow, no server, no PyTorch."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from plant import DAYS, contents, faulty_table, write

from aedetect.config import make_config
from aedetect.errors import DeliveryError
from aedetect.jobs import scoring
from aedetect.jobs.scoring_plan import plan_run
from aedetect.output.partitions import Span
from aedetect.scoring.run_log import read_runs
from pipelines import idle, retries

HEAVY = ("torch", "mlflow", "prefect", "sklearn", "sqlalchemy")
RUN = (
    "import sys\n"
    "from aedetect.cli import main\n"
    "try:\n    main()\n"
    "except SystemExit as ended:\n    code = ended.code\n"
    f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    "sys.exit(code)"
)


def command(*words, folder):
    """Run a command in a process of its own: exit code, stdout, and what it has imported."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)],
        env=variables | {"PREFECT_HOME": str(folder / "prefect")},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()[-1]


def planned(config, **asked):
    """Plan a run as the command does."""
    given = {"span": Span(), "rescore": False, "force": False} | asked
    return idle.plan_ahead(config, scoring.resolve_model(config), **given)


def test_nothing_to_do_starts_nothing(plant):
    """The command says what it always says, and its run is recorded."""
    plant.score()
    before = contents(plant.output)
    code, out, imported = command("score", plant.written(), "--json", folder=plant.folder)
    assert (code, imported) == (0, "[]")
    said = json.loads(out)
    assert (said["status"], said["current"], said["partitions"]) == ("done", len(DAYS), 0)
    assert not (plant.folder / "prefect").exists()
    assert contents(plant.output) == before
    (run,) = read_runs(plant.output, limit=2)
    assert (run["status"], run["current"], run["files"]) == ("done", len(DAYS), len(DAYS))
    assert run["model"] == said["model"] == "plant/1"


def test_the_flow_gets_the_plan(prefect, plant, monkeypatch):
    """With work to do, it is not made a second time; and the output is that of the plain job."""
    from aedetect.cli.scoring_run import run_scoring_flow

    made = []

    def counted(*args, **kwargs):
        made.append(args)
        return plan_run(*args, **kwargs)

    monkeypatch.setattr(idle, "plan_run", counted)
    plant.score(output="plain")
    path = plant.written()
    summary = run_scoring_flow(path, [], settings=plant.config())
    assert (summary.partitions, len(made)) == (len(DAYS), 1)
    assert contents(plant.output) == contents(plant.folder / "plain")


def test_only_a_run_without_work_is_idle(plant):
    """New input, changed input, deleted input, and what another model scored are work."""
    config = plant.config()
    assert not planned(config).idle
    plant.score()
    done = planned(config)
    assert done.idle
    assert (done.job.plan.current, done.job.started is None) == (len(DAYS), False)
    assert not planned(config, force=True).idle
    assert planned(config, rescore=True).idle
    assert not planned(plant.config(model="plant/2"), rescore=True).idle
    first = plant.incoming / f"{DAYS[0]}.parquet"
    write(faulty_table(DAYS[0]), first)
    assert not planned(config).idle
    first.unlink()
    gone = planned(config)
    assert (len(gone.job.plan.withdraw), gone.idle) == (1, False)


def test_a_failed_plan_is_left_to_the_flow(plant):
    """An output where the input is read is not touched, either."""
    assert planned(plant.config(output="incoming/out")) is None
    assert not (plant.incoming / "out").exists()


def test_an_idle_run_delivers(plant):
    """What a database lacks is written, as in the flow."""
    summary = plant.score()
    given = plant.given() | {"database": {"url": "sqlite:///plant.db"}}
    config = make_config(given, folder=plant.folder)
    ahead = planned(config)
    assert ahead.idle
    assert idle.run_idle(config, ahead.job, config_path="plant.toml").partitions == 0
    with closing(sqlite3.connect(plant.folder / "plant.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM aedetect_flagged").fetchone()
    assert count == summary.flagged > 0


def test_a_delivery_is_tried_as_often_as_its_task(monkeypatch):
    """What is delivered to may be back; in the end the error is raised."""
    monkeypatch.setattr(retries, "DELAYS", [0.0, 0.0])
    tried = []

    def deliver(back_after):
        tried.append(back_after)
        if len(tried) <= back_after:
            raise DeliveryError("away")
        return "delivered"

    assert retries.retried(deliver)(2) == "delivered"
    tried.clear()
    with pytest.raises(DeliveryError):
        retries.retried(deliver)(3)
    assert len(tried) == 3


def test_secrets_in_blocks_need_the_server(plant):
    """They are kept by Prefect; a reference to the environment is not."""
    for section, keys in (
        ("database", {"url": "block:db"}),
        ("notify", {"urls": ["env:A", "block:team"]}),
        ("registry", {"tracking_uri": "block:mlflow"}),
    ):
        assert idle.needs_blocks(make_config(plant.given() | {section: keys}, folder=plant.folder))
    given = plant.given() | {"database": {"url": "env:DB"}}
    assert not idle.needs_blocks(make_config(given, folder=plant.folder))


@pytest.mark.parametrize(
    ("file", "text", "address"),
    [
        (None, "", None),
        ("prefect.toml", '[api]\nurl = "http://127.0.0.1:9/api"\n', "http://127.0.0.1:9/api"),
        (".env", "PREFECT_API_URL=http://127.0.0.1:8/api\n", "http://127.0.0.1:8/api"),
        ("pyproject.toml", "[project]\nname = 'url'\n", None),
    ],
)
def test_a_named_server_is_found(tmp_path, file, text, address):
    """In the files that Prefect reads; without any, Prefect is not imported."""
    if file is not None:
        (tmp_path / file).write_text(text)
    code = (
        "import sys\nfrom pipelines.named_server import named_server\n"
        "print(named_server(), 'prefect' in sys.modules)"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=own | {"PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(address), str(address is not None)]
