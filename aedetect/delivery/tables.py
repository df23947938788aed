"""The tables of the database: created when absent, refused when they have another shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aedetect.errors import ConfigError
from aedetect.output.partitions import FLAGGED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Inspector, MetaData, Table

    from aedetect.delivery.settings import DatabaseSettings

EVENTS, PARTITIONS = "events", "partitions"
RUNS, SCORED, DRIFT = "runs", "scored", "drift"
_KEYS = {
    FLAGGED: ("detector", "entity", "timestamp", "nanosecond"),
    EVENTS: ("detector", "event_id"),
    PARTITIONS: ("detector", "kind", "partition"),
    RUNS: ("detector", "run_id"),
    SCORED: ("detector", "partition"),
    DRIFT: ("detector", "partition", "feature"),
}
# The type of each column. `synced` is the fingerprint of the source file of the row;
# `nanosecond` is the part of a timestamp below its microsecond.
_MODEL = {"model_name": "text", "model_version": "integer", "calibration_version": "integer"}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    FLAGGED: {
        "detector": "text",
        "entity": "text",
        "timestamp": "time",
        "nanosecond": "integer",
        "score": "number",
        "p_value": "number",
        "threshold": "number",
        "severity": "text",
        "event_id": "text",
        "causes": "json",
        **_MODEL,
        "synced": "text",
    },
    EVENTS: {
        "detector": "text",
        "event_id": "text",
        "incident_id": "text",
        "entity": "text",
        "start": "time",
        "end": "time",
        "rows": "integer",
        "peak_timestamp": "time",
        "peak_score": "number",
        "threshold": "number",
        "p_value": "number",
        "strength": "number",
        "severity": "text",
        "causes": "json",
        "text": "text",
        "suppressed": "text",
        **_MODEL,
        "synced": "text",
    },
    PARTITIONS: {"detector": "text", "kind": "text", "partition": "text", "fingerprint": "text"},
    RUNS: {
        "detector": "text",
        "run_id": "text",
        "started": "time",
        "seconds": "number",
        "command": "text",
        "status": "text",
        "model": "text",
        "calibration_version": "integer",
        "newest": "text",
        "age": "number",
        "files": "integer",
        "rows": "integer",
        "scored": "integer",
        "flagged": "integer",
        "not_scored": "json",
        "suppressed": "json",
        "events": "json",
        "unreadable": "json",
        "schema_mismatch": "json",
        "withdrawn": "json",
        "deferred": "json",
        "warnings": "json",
        "alerts": "json",
        "outcome": "json",
        "error": "text",
    },
    SCORED: {
        "detector": "text",
        "partition": "text",
        "start": "time",
        "rows": "integer",
        "judged": "integer",
        "flagged": "integer",
        **_MODEL,
    },
    DRIFT: {
        "detector": "text",
        "partition": "text",
        "start": "time",
        "feature": "text",
        "rows": "integer",
        "missing": "number",
        "missing_limit": "number",
        "psi": "number",
        "psi_limit": "number",
    },
}
_ADDED = {"detector", "synced", "nanosecond"}  # to the columns of the files
TIME = {FLAGGED: "timestamp", EVENTS: "start"}  # the column that determines the partition of a row
_INDEXED = {**TIME, RUNS: "started", SCORED: "start", DRIFT: "start"}


def table_columns(kind: str) -> tuple[str, ...]:
    """Return the columns of a table that come from the file."""
    return tuple(name for name in _COLUMNS[kind] if name not in _ADDED)


def times_of(kind: str) -> tuple[str, ...]:
    """Return the timestamp columns of a table."""
    return tuple(name for name, holds in _COLUMNS[kind].items() if holds == "time")


def make_tables(settings: DatabaseSettings) -> tuple[MetaData, dict[str, Table]]:
    """Return the tables by kind, without a connection to the database."""
    from sqlalchemy import JSON, BigInteger, Column, DateTime, Double, Index, MetaData, Table, Text
    from sqlalchemy.dialects.postgresql import JSONB

    types: dict[str, Any] = {
        "text": Text(),
        "time": DateTime(timezone=True),
        "number": Double(),
        "integer": BigInteger(),
        "json": JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"),
    }
    metadata = MetaData(schema=settings.schema)
    tables = {
        kind: Table(
            settings.prefix + kind,
            metadata,
            *(
                Column(name, types[holds], primary_key=name in key, nullable=name not in key)
                for name, holds in _COLUMNS[kind].items()
            ),
        )
        for kind, key in _KEYS.items()
    }
    for kind, time in _INDEXED.items():  # for queries of dashboards, and to clear partitions
        table = tables[kind]
        Index(f"{table.name}_{time}", table.c.detector, table.c[time])
    return metadata, tables


def create(connection: Connection, metadata: MetaData, tables: Mapping[str, Table]) -> None:
    """Create absent tables. Raises ConfigError when an existing one has another shape."""
    from sqlalchemy import inspect

    with connection.begin():
        metadata.create_all(connection)
        inspector = inspect(connection)
        for kind, table in tables.items():
            if faults := list(_faults(inspector, table, kind)):
                raise ConfigError(
                    f"the table {table.fullname} must have the shape that aedetect creates, but "
                    f"{'; '.join(faults)}: set another [database] prefix or schema, or rename "
                    "that table"
                )


def _faults(inspector: Inspector, table: Table, kind: str) -> list[str]:
    """Return the faults of an existing table. Additional columns must be nullable."""
    found = {c["name"]: c for c in inspector.get_columns(table.name, table.schema)}
    faults = []
    for name, holds in _COLUMNS[kind].items():
        if name not in found:
            faults.append(f"it has no column {name}")
        elif (has := _holds(found[name]["type"])) != holds:
            faults.append(f"its column {name} holds {has} instead of {holds}")
    foreign = [column for name, column in found.items() if name not in _COLUMNS[kind]]
    faults += [
        f"its column {column['name']} may not be null"
        for column in foreign
        if not column["nullable"] and column.get("default") is None
    ]
    key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    if set(key) != set(_KEYS[kind]):
        faults.append(f"its primary key is ({', '.join(key)}) instead of {_KEYS[kind]}")
    return faults


def _holds(found: Any) -> str:
    """Return the kind of a column type; its own name if it is none of ours."""
    from sqlalchemy import types

    if isinstance(found, types.DateTime):
        # PostgreSQL types have a time zone or not; SQLite types have none and store UTC.
        return "time" if getattr(found, "timezone", True) or not _is_postgresql(found) else "clock"
    numbers = {types.Integer: "integer", types.Numeric: "number", types.Float: "number"}
    for kind, name in {types.JSON: "json", **numbers, types.String: "text"}.items():
        if isinstance(found, kind):
            return name
    return str(found)


def _is_postgresql(found: Any) -> bool:
    return type(found).__module__.startswith("sqlalchemy.dialects.postgresql")
