"""Tables of a run, as MLflow's `log_table` stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aedetect.registry.records import Table

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LISTED = "mlflow.loggedArtifacts"  # the tag by which MLflow's page of evaluations finds tables


def tables_tag(tables: Mapping[str, Table]) -> dict[str, str]:
    """Return the tag of a run that will have some tables, none without any."""
    listed = [{"path": name, "type": "table"} for name in tables]
    return {_LISTED: json.dumps(listed)} if listed else {}


def log_run_tables(client: MlflowClient, run_id: str, tables: Mapping[str, Table]) -> None:
    """Log tables as artifacts of a run that has their tag."""
    for name, table in tables.items():
        rows = [list(row) for row in zip(*table.values(), strict=True)]
        client.log_text(run_id, json.dumps({"columns": list(table), "data": rows}), name)


def log_tables(client: MlflowClient, run_id: str, tables: Mapping[str, Table]) -> None:
    """Log tables as artifacts of a run, by name; `mlflow.load_table` reads them.

    `MlflowClient.log_table` warns with pandas 3 (MLflow 3.17), and reads each table back.
    """
    if not tables:
        return
    log_run_tables(client, run_id, tables)
    before = json.loads(client.get_run(run_id).data.tags.get(_LISTED, "[]"))
    added = json.loads(tables_tag(tables)[_LISTED])
    listed = before + [each for each in added if each not in before]
    client.set_tag(run_id, _LISTED, json.dumps(listed))
