"""What became of a version's promise, day by day, on its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aedetect.registry.publish import read_version
from aedetect.registry.records import Registered, Table
from aedetect.registry.run_log import log_metrics
from aedetect.registry.run_tables import log_tables
from aedetect.registry.session import open_client

if TYPE_CHECKING:
    from mlflow.entities import Metric

_DAY = "outcome_day"  # tag of a version: the last day that was logged
_NS_A_MS, _NS_A_DAY = 1_000_000, 86_400_000_000_000


def is_logged(registered: Registered, *, at: int) -> bool:
    """Whether the day of a moment (ns), or a later one, has been logged."""
    return int(registered.tags.get(_DAY, -1)) >= at // _NS_A_DAY


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
        log_metrics(client, registered.run_id, _points(metrics, at // _NS_A_MS, step))
        log_tables(client, registered.run_id, tables)
        version = str(registered.version)
        client.set_model_version_tag(registered.name, version, _DAY, str(step))
        return read_version(client, name=registered.name, version=version)


def _points(metrics: Mapping[str, float], at: int, step: int) -> list[Metric]:
    from mlflow.entities import Metric

    return [Metric(name, float(value), at, step) for name, value in metrics.items()]
