"""Outcome and drift in MLflow, read through its own client."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aedetect import registry
from aedetect.jobs.finished_run import Finished
from aedetect.jobs.outcome_record import note_outcome, note_page
from aedetect.jobs.scoring import run_scoring
from aedetect.registry.tags import set_version_tags


@pytest.fixture
def version(trained):
    """The champion of the plant, of which nothing was logged."""
    found = registry.find_version("plant", tracking_uri=trained.uri)
    return set_version_tags(
        found, {"outcome_day": "-1", "page_day": "-1"}, tracking_uri=trained.uri
    )


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
    summary = plant.score()
    together = summary.outcome[0]
    logged = points(client, version, "outcome_flagged_7d")
    # Others that share this registry log other days.
    assert (20_458, together.share) in logged  # 2026-01-05
    assert (20_458, together.most) in points(client, version, "outcome_promise_30d")
    assert 20_458 in {step for step, _ in points(client, version, "drift_entities")}
    table = registry.read_run_text(version, "outcome.json", tracking_uri=trained.uri)
    content = json.loads(table)
    rows = [dict(zip(content["columns"], each, strict=True)) for each in content["data"]]
    assert {(each["period"], each["entity"]) for each in rows} >= {(7, "east"), (30, None)}
    assert "drift.json" in {each.path for each in client.list_artifacts(version.run_id)}

    plant.score(force=True)
    assert points(client, version, "outcome_flagged_7d") == logged


def test_it_may_be_turned_off_and_a_failure_is_a_warning(plant, version, trained):
    """The verdicts are written; a registry that is away says so."""
    config = plant.config()
    off = replace(config, registry=replace(config.registry, log_scoring=False))
    summary = run_scoring(off)
    found = registry.find_version("plant", tracking_uri=trained.uri)
    assert found.tags["outcome_day"] == version.tags["outcome_day"]
    gone = Finished(summary=replace(summary, model="plant/99"))
    assert note_outcome(config, gone) == gone
    broken = plant.folder / "broken.db"
    broken.write_bytes(b"no database" * 99)
    away = replace(config, registry=replace(config.registry, tracking_uri=f"sqlite:///{broken}"))
    noted = note_outcome(away, Finished(summary=summary)).summary
    assert "outcome and drift are not in MLflow" in noted.warnings[-1]


def test_the_page_of_a_day_is_an_artifact(plant, client, version, tmp_path):
    """That of the first run of a day of data; one that cannot be logged ends no run."""
    config = plant.config()
    config = replace(config, report=replace(config.report, to=str(tmp_path / "pages")))
    summary = run_scoring(config)
    (page,) = (tmp_path / "pages").iterdir()
    logged = {each.path: each for each in client.list_artifacts(version.run_id, "report")}
    assert logged[f"report/{page.name}"].file_size == page.stat().st_size
    later = tmp_path / "later.html"
    later.write_text("<p>later")
    note_page(config, summary, later)  # the same day of data
    assert {each.path for each in client.list_artifacts(version.run_id, "report")} == set(logged)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 99)
    away = replace(config, registry=replace(config.registry, tracking_uri=f"sqlite:///{broken}"))
    note_page(away, summary, page)
