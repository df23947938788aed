"""Outcome and drift in MLflow, read through its own client."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aedetect import registry
from aedetect.jobs.outcome_record import note_outcome
from aedetect.jobs.scoring import run_scoring
from aedetect.registry.tags import set_version_tags


@pytest.fixture
def version(trained):
    """The champion of the plant, of which nothing was logged."""
    found = registry.find_version("plant", tracking_uri=trained.uri)
    return set_version_tags(found, {"outcome_day": "-1"}, tracking_uri=trained.uri)


@pytest.fixture
def client(trained):
    """An MLflow client of the registry of the plant."""
    from mlflow import MlflowClient

    return MlflowClient(trained.uri, registry_uri=trained.uri)


def points(client, version, name):
    """Step and value of a metric."""
    return [(each.step, each.value) for each in client.get_metric_history(version.run_id, name)]


def test_a_run_logs_outcome_and_drift_once_a_day_of_data(plant, client, version, trained):
    """On the run of the version: over the days of the data, and by entity as a table."""
    before = len(points(client, version, "outcome_flagged_7d"))
    summary = plant.score()
    together = summary.outcome[0]
    last = points(client, version, "outcome_flagged_7d")[before:]
    assert last == [(20_458, together.share)]  # 2026-01-05
    assert points(client, version, "outcome_promise_30d")[-1] == (20_458, together.most)
    assert points(client, version, "drift_entities")[-1][0] == 20_458
    table = registry.read_run_text(version, "outcome.json", tracking_uri=trained.uri)
    content = json.loads(table)
    rows = [dict(zip(content["columns"], each, strict=True)) for each in content["data"]]
    assert {(each["period"], each["entity"]) for each in rows} >= {(7, "east"), (30, None)}
    assert "drift.json" in {each.path for each in client.list_artifacts(version.run_id)}

    plant.score(force=True)
    assert len(points(client, version, "outcome_flagged_7d")) == before + 1


def test_it_may_be_turned_off_and_a_failure_is_a_warning(plant, version, trained):
    """The verdicts are written; a registry that is away says so."""
    config = plant.config()
    off = replace(config, registry=replace(config.registry, log_scoring=False))
    summary = run_scoring(off)
    found = registry.find_version("plant", tracking_uri=trained.uri)
    assert found.tags["outcome_day"] == version.tags["outcome_day"]
    away = replace(summary, model="plant/99")
    assert "outcome and drift are not in MLflow" in note_outcome(config, away).warnings[-1]
