"""What became of a version's promise, day by day, on its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aedetect.registry.publish import read_version
from aedetect.registry.records import Registered, Table
from aedetect.registry.run_log import log_numbers
from aedetect.registry.run_tables import log_tables
from aedetect.registry.session import open_client

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import Metric

OUTCOME_DAY, PAGE_DAY = "outcome_day", "page_day"  # tags of a version: the last day of each
_PAGES = "report"  # folder of the page among the artifacts
_NS_A_MS, _NS_A_DAY = 1_000_000, 86_400_000_000_000


def is_logged(registered: Registered, tag: str, *, at: int) -> bool:
    """Whether the day of a moment (ns), or a later one, has been logged."""
    return int(registered.tags.get(tag, -1)) >= at // _NS_A_DAY


def ask_mlflow(registered: Registered, *, tracking_uri: str) -> None:
    """Ask MLflow itself for a version and its run: later calls find it imported and connected."""
    with open_client(tracking_uri) as client:
        read_version(client, name=registered.name, version=str(registered.version))
        client.get_run(registered.run_id)


def log_outcome(
    registered: Registered,
    *,
    at: int,
    metrics: Mapping[str, float],
    tables: Mapping[str, Table],
    tracking_uri: str,
) -> Registered:
    """Log metrics of a day, and tables that replace those of the day before.

    A metric has the time of the data, and as its step the days since 1970, so that MLflow draws it
    over time whenever a run was.
    """
    step = at // _NS_A_DAY
    with open_client(tracking_uri) as client:
        log_numbers(client, registered.run_id, {}, _points(metrics, at // _NS_A_MS, step))
        log_tables(client, registered.run_id, tables)
        return _marked(client, registered, OUTCOME_DAY, step)


def log_page(registered: Registered, page: Path, *, at: int, tracking_uri: str) -> Registered:
    """Log the page of a day as an artifact, which replaces that of the day before."""
    with open_client(tracking_uri) as client:
        client.log_artifact(registered.run_id, str(page), _PAGES)
        return _marked(client, registered, PAGE_DAY, at // _NS_A_DAY)


def _marked(client: MlflowClient, registered: Registered, tag: str, day: int) -> Registered:
    """Mark a day of a version as logged."""
    version = str(registered.version)
    client.set_model_version_tag(registered.name, version, tag, str(day))
    return read_version(client, name=registered.name, version=version)


def _points(metrics: Mapping[str, float], at: int, step: int) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(name, float(value), at, step) for name, value in metrics.items()]
