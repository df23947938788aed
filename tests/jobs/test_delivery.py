"""Delivery at the end of a scoring run."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from plant import DAYS, settings, table, write, write_config
from verdict_files import event, write_events

from aedetect.config import make_config
from aedetect.errors import ConfigError, DeliveryError
from aedetect.jobs import delivery, reflagging, scoring, training
from aedetect.jobs.recalibration import recalibrate
from aedetect.secrets import Secrets

CANARIES = ("canary-4711", "canary-0815", "secret-token")


def delivering(plant, *, urls=(), database=None, environment=None, **notify):
    """Return the plant's configuration as plain data, and its secrets."""
    given = plant.given() | {"notify": {"urls": list(urls), **notify}}
    if database is not None:
        given |= {"database": {"url": database}}
    return make_config(given, folder=plant.folder, secrets=Secrets(environment))


def count(url, table="aedetect_flagged"):
    """Count the rows of a table."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        (found,) = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).one()
    engine.dispose()
    return found


def test_a_run_fills_the_database(plant):
    """With every flagged row; a second run does nothing, and a withdrawn day is removed."""
    config = delivering(plant, database="sqlite:///plant.db")
    summary = scoring.run_scoring(config)
    url = f"sqlite:///{plant.folder}/plant.db"
    assert count(url) == summary.flagged > 0
    assert delivery.fill_database(config).partitions == 0
    for day in DAYS[1:]:
        (plant.incoming / f"{day}.parquet").unlink()
    scoring.run_scoring(config)
    assert 0 <= count(url) < summary.flagged


def test_the_next_run_delivers_what_was_missed(plant):
    """A database that was unavailable gets what was written meanwhile; the files are complete."""
    away = delivering(plant, database="sqlite:////nowhere/plant.db")
    with pytest.raises(DeliveryError, match="the next run delivers what is missing"):
        scoring.run_scoring(away)
    assert len(list(plant.output.rglob("scores/**/*.parquet"))) == len(DAYS)
    back = delivering(plant, database="sqlite:///plant.db")
    assert scoring.run_scoring(back).partitions == 0
    assert count(f"sqlite:///{plant.folder}/plant.db") > 0


def test_a_missing_secret_stops_the_run_before_it_begins(plant):
    """A run whose results could not be delivered is refused, and nothing is written."""
    for config in (
        delivering(plant, urls=["env:TEAM"], environment={}),
        delivering(plant, database="env:DB", environment={}),
    ):
        with pytest.raises(ConfigError, match="environment variable"):
            scoring.run_scoring(config)
    assert not plant.output.exists()


def test_receivers_are_notified_after_a_run(plant, receiver):
    """Alerts and events go to the same receivers; a failing receiver does not fail the run."""
    config = delivering(
        plant, urls=["env:TEAM"], min_severity="warning", environment={"TEAM": receiver.url}
    )
    scoring.run_scoring(config)
    write_events(plant.output, f"date={DAYS[2]}", [event("e1", f"{DAYS[2]}T05:00:00")])
    assert delivery.notify(config, config_path="plant.toml", alerts={"stale": "no rows"}) == 2
    assert receiver.titles == ["plant: stale", "plant: warning at east"]
    assert "aedetect label plant.toml e1" in receiver.messages[1]["message"]
    receiver.answer = 500
    assert scoring.run_scoring(config, force=True).partitions == len(DAYS)


def test_an_alert_is_sent_once_until_it_is_over(plant, receiver):
    """Stale data are reported by the first run that finds them, and again if they recur."""
    given = plant.given(stale_after="2h") | {"notify": {"urls": ["env:TEAM"], "max_age": "1min"}}
    config = make_config(given, folder=plant.folder, secrets=Secrets({"TEAM": receiver.url}))
    late, early = (datetime(2026, 1, 6, hour, tzinfo=UTC) for hour in (12, 0))

    def sent(time):
        scoring.run_scoring(config, clock=lambda: time)
        return receiver.titles.count("plant: stale data")

    assert [sent(time) for time in (late, late, early, late)] == [1, 1, 1, 2]
    (over,) = (each for each in receiver.messages if each["status"] == "resolved")
    assert over["title"] == "plant: over: stale data"
    assert over["message"].startswith("rows arrive again: the newest is of 2026-01-05T23:59")


def test_a_flow_sends_its_alerts(prefect, plant, receiver, monkeypatch):
    """Also when nothing is scored; a what-if run notifies no one and fills no database."""
    from pipelines.scoring import scoring as flow

    monkeypatch.setenv("TEAM", receiver.url)
    given = plant.given(stale_after="2h") | {
        "notify": {"urls": ["env:TEAM"], "min_severity": "info"},
        "database": {"url": "sqlite:///plant.db"},
    }
    path = str(write_config(plant.folder / "plant.toml", given))
    assert flow(path, ["scoring.output=other"], what_if=True).flagged > 0
    assert (receiver.titles, (plant.folder / "plant.db").exists()) == ([], False)
    flow(path)
    assert receiver.titles.count("plant: stale data") == 1
    assert flow(path, ["scoring.stale_after='99999d'"]).alerts == {}
    flow(path, ["scoring.stale_after='99999d'"])
    assert receiver.titles.count("plant: over: stale data") == 1
    assert (plant.folder / "plant.db").exists()


def test_reflagging_is_delivered(plant, tmp_path):
    """The database has the flags of the newest threshold."""
    folder = tmp_path / "own"
    write(table("2026-01-01", days=2), folder / "train.parquet")
    shutil.copytree(plant.incoming, folder / "incoming")
    given = settings(database={"url": "sqlite:///plant.db"}, training={"epochs": 1})
    config = make_config(given, folder=folder)
    training.run_training(config)
    url, before = f"sqlite:///{folder}/plant.db", scoring.run_scoring(config).flagged
    assert count(url) == before
    lower = settings(calibration={"threshold": "quantile", "quantile": 0.98})
    recalibrate(make_config(given | lower, folder=folder))
    after = reflagging.run_reflagging(config).flagged
    assert count(url) == after > before


def test_reflagging_ends_no_alert(plant, receiver):
    """It does not check the input."""
    config = delivering(plant, urls=["env:TEAM"], environment={"TEAM": receiver.url})
    scoring.run_scoring(config)
    delivery.notify(config, alerts={"stale": "no rows"})
    reflagging.run_reflagging(config)
    delivery.notify(config, alerts={"stale": "no rows"})
    assert receiver.titles.count("plant: stale") == 1


def test_an_unavailable_database_is_retried(prefect, plant):
    """The task waits and retries, then the run fails with one message."""
    from pipelines import tasks

    config = delivering(plant, database="sqlite:////nowhere/plant.db")
    tried = []

    def fill(config):
        tried.append(config)
        return delivery.fill_database(config)

    from prefect import flow

    patient = tasks.fill_database.with_options(retry_delay_seconds=0)
    patient.fn = fill

    @flow
    def filling(config):
        return patient(config)

    with pytest.raises(DeliveryError, match=r"/nowhere/plant\.db"):
        filling(config)
    assert len(tried) == 1 + tasks.fill_database.retries


@pytest.fixture
def secretive(plant, receiver, postgres, monkeypatch):
    """A plant with secrets in the environment, and its configuration file."""
    monkeypatch.setenv("CANARY_DB", postgres)
    monkeypatch.setenv("CANARY_TEAM", receiver.url)
    monkeypatch.setenv("CANARY_MLFLOW", f"sqlite:///{plant.folder}/mlruns/mlflow.db")
    given = plant.given() | {
        "database": {"url": "env:CANARY_DB"},
        "notify": {"urls": ["env:CANARY_TEAM"], "min_severity": "info", "max_age": "30d"},
        "registry": {"tracking_uri": "env:CANARY_MLFLOW"},
        "training": {"epochs": 1},
    }
    return write_config(plant.folder / "plant.toml", given)


async def recorded_by_prefect():
    """Return everything that Prefect stores about its flow runs and their logs, as text."""
    from prefect import get_client

    async with get_client() as client:
        runs = await client.read_flow_runs()
        logs, tasks = await client.read_logs(), await client.read_task_runs()
        return "\n".join(each.model_dump_json() for each in (*runs, *tasks, *logs))


def test_secrets_are_not_stored_anywhere(
    prefect, plant, secretive, receiver, monkeypatch, capfd, caplog
):
    """Neither in the output, the logs, MLflow nor Prefect; also not when everything fails."""
    from pipelines import tasks
    from pipelines.scoring import scoring as score
    from pipelines.training import training as train

    caplog.set_level(logging.DEBUG, logger="aedetect")
    monkeypatch.setattr(tasks, "fill_database", tasks.fill_database.with_options(retries=0))
    receiver.answer = 500
    train(str(secretive))
    score(str(secretive))
    write_events(plant.output, f"date={DAYS[2]}", [event("e1", f"{DAYS[2]}T05:00:00")])
    right = os.environ["CANARY_DB"]
    monkeypatch.setenv("CANARY_DB", right.replace(":canary-4711@", ":canary-0815@"))
    with pytest.raises(DeliveryError, match="password authentication failed"):
        score(str(secretive), rescore=True)
    text = "".join(capfd.readouterr()) + caplog.text + asyncio.run(recorded_by_prefect())
    assert " missed=" in text  # the receiver's failure was logged
    assert "password authentication failed" in text
    assert str(secretive) in text  # Prefect's record of the parameters
    assert [canary for canary in CANARIES if canary in text] == []
    files = [path for path in plant.folder.rglob("*") if path.is_file()]
    assert {"mlflow.db", "plant.toml", "MLmodel"} <= {path.name for path in files}
    for path in files:
        assert not [canary for canary in CANARIES if canary.encode() in path.read_bytes()], path
