"""Read versions of a SQLite registry without MLflow, whose import takes longer than most commands.

MLflow's tables are not a public interface. So they are read only in the one form that is known
here, by the revision of their schema that MLflow itself notes; for any other form, for another
kind of registry, and whenever something is not found, the callers ask MLflow. What is read is what
the database holds now: nothing is kept between two calls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from aedetect.registry.availability import sqlite_file
from aedetect.registry.records import CHAMPION, FINGERPRINT, Registered

_T = TypeVar("_T")

# Of the table alembic_version: MLflow 3.17. A test compares it with that of the installed MLflow.
KNOWN_SCHEMAS = frozenset({"dc11669786a5"})
_WORKSPACE = "default"  # the only one without MLflow's multi-tenant server
_DELETED = "Deleted_Internal"  # stage of a version that was deleted
_LATEST = "latest"  # to MLflow not an alias, but the newest version
_VERSIONS = (
    "SELECT name, version, creation_time, run_id, storage_location, source "
    "FROM model_versions WHERE workspace = ? AND current_stage != ?"
)
_SECONDS = 0.5  # to wait for a lock; MLflow is asked after that, and waits longer
_PLAIN = "sqlite:///"  # an address without a driver of its own


@dataclass(frozen=True)
class FoundVersion:
    """A version, and where its artifacts are."""

    registered: Registered
    location: str


class SqliteReader:
    """One connection to the database of a registry whose schema is known."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, name: str, *, version: int | None, alias: str) -> FoundVersion | None:
        """Return a version by its number, or else by an alias; None when MLflow has to answer."""
        if version is None:
            if alias.lower() == _LATEST:
                return None
            row = self._rows(
                "SELECT version FROM registered_model_aliases "
                "WHERE workspace = ? AND name = ? AND alias = ?",
                (_WORKSPACE, name, alias),
            )
            if not row:
                return None
            version = int(row[0]["version"])
        found = self.versions(name, version=version)
        return found[0] if found else None

    def versions(self, name: str | None, *, version: int | None = None) -> list[FoundVersion]:
        """Return the versions of one detector or of all, with aliases and tags."""
        where, values = self._where(name, version)
        tags: dict[tuple[str, int], dict[str, str]] = {}
        for row in self._rows(f"SELECT * FROM model_version_tags{where}", values):
            tags.setdefault((row["name"], row["version"]), {})[row["key"]] = row["value"]
        aliases: dict[tuple[str, int], list[str]] = {}
        for row in self._rows(f"SELECT * FROM registered_model_aliases{where}", values):
            aliases.setdefault((row["name"], row["version"]), []).append(row["alias"])
        asked = where.replace(" WHERE workspace = ?", "", 1)
        return [
            FoundVersion(
                Registered(
                    name=row["name"],
                    version=int(row["version"]),
                    aliases=tuple(sorted(aliases.get((row["name"], row["version"]), ()))),
                    run_id=row["run_id"] or "",
                    created=datetime.fromtimestamp(row["creation_time"] / 1000, tz=UTC),  # ms
                    tags=tags.get((row["name"], row["version"]), {}),
                ),
                row["storage_location"] or row["source"] or "",
            )
            for row in self._rows(_VERSIONS + asked, (_WORKSPACE, _DELETED, *values[1:]))
        ]

    def champions(self, prefix: str) -> list[FoundVersion]:
        """Return the champions of all models whose names begin with a text."""
        known = self._rows(
            "SELECT name, version FROM registered_model_aliases "
            "WHERE workspace = ? AND alias = ? AND substr(name, 1, ?) = ?",
            (_WORKSPACE, CHAMPION, len(prefix), prefix),
        )
        wanted = {(row["name"], int(row["version"])) for row in known}
        found = [(each.registered, each) for each in self.versions(None)] if wanted else []
        return [each for own, each in found if (own.name, own.version) in wanted]

    def detectors(self, name: str | None) -> list[Registered]:
        """Return the versions that are detectors: a registry may contain other models."""
        found = [each.registered for each in self.versions(name)]
        return [each for each in found if FINGERPRINT in each.tags]

    def model_tags(self, name: str) -> dict[str, str]:
        """Return the tags of a registered model; none when it does not exist."""
        rows = self._rows(
            "SELECT key, value FROM registered_model_tags WHERE workspace = ? AND name = ?",
            (_WORKSPACE, name),
        )
        return {row["key"]: row["value"] for row in rows}

    @staticmethod
    def _where(name: str | None, version: int | None) -> tuple[str, tuple[Any, ...]]:
        """Return the condition that the tables of versions, tags and aliases share."""
        where, values = " WHERE workspace = ?", list[Any]([_WORKSPACE])
        for column, value in (("name", name), ("version", version)):
            if value is not None:
                where, values = f"{where} AND {column} = ?", [*values, value]
        return where, tuple(values)

    def _rows(self, statement: str, values: tuple[Any, ...]) -> list[sqlite3.Row]:
        return self._connection.execute(statement, values).fetchall()


def ask_sqlite(tracking_uri: str, question: Callable[[SqliteReader], _T]) -> _T | None:
    """Answer a question about a registry in one transaction; None where MLflow has to.

    A database that is locked, damaged or not there is MLflow's to report; see `open_client`.
    """
    connection = _connect(tracking_uri)
    if connection is None:
        return None
    with closing(connection):
        try:
            return question(SqliteReader(connection))
        except sqlite3.Error:
            return None


def _connect(tracking_uri: str) -> sqlite3.Connection | None:
    """Connect read-only and begin a transaction; None if that or the schema is not as known."""
    file = sqlite_file(tracking_uri)
    if file is None or not tracking_uri.startswith(_PLAIN) or "?" in tracking_uri:
        return None
    connection: sqlite3.Connection | None = None
    try:
        uri = f"{file.as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        revisions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except (sqlite3.Error, OSError):
        if connection is not None:
            connection.close()
        return None
    if {row[0] for row in revisions} <= KNOWN_SCHEMAS and revisions:
        return connection
    connection.close()
    return None
