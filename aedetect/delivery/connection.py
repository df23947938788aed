"""Connect to the database; its errors are reported without the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aedetect.addresses import check_driver, parse_database_url
from aedetect.errors import ConfigError, DeliveryError
from aedetect.secrets import mask

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Table

BUSY_SECONDS = 30  # to wait for another writer, or for an unresponsive network
_CONNECT_SECONDS = 10
_KEY = "[database] url"
_REMEDY = "pip install 'aedetect[postgresql]' brings psycopg, for postgresql:// without a driver"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def check_url(url: str) -> None:
    """Raise ConfigError if it is not the URL of a supported database."""
    _engine(_parsed(url)).dispose()


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """Yield a connection; errors of the database become DeliveryError."""
    from sqlalchemy.exc import SQLAlchemyError

    parsed = _parsed(url)
    engine = _engine(parsed)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise DeliveryError(
            f"the database at {mask(_place(parsed), url)} cannot take events and flagged rows: "
            f"{mask(_reason(error), url)}; see that it runs and [database] url is right. The "
            "Parquet files are whole, the next run delivers what is missing"
        ) from error
    finally:
        engine.dispose()


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Begin a transaction that waits for others no longer than BUSY_SECONDS."""
    with connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        yield


def upsert(connection: Connection, table: Table, values: list[dict[str, Any]]) -> None:
    """Insert rows; those whose key exists are replaced."""
    from sqlalchemy.dialects import postgresql, sqlite

    insert = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
    statement: Any = insert[connection.dialect.name](table)
    if values:
        changed = [column.name for column in table.columns if not column.primary_key]
        statement = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in changed},
        )
        connection.execute(statement, values)


def _parsed(url: str) -> URL:
    example = "postgresql://user:password@host:5432/database or sqlite:///events.db"
    parsed = parse_database_url(url, where=_KEY, example=example)
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.drivername.split("+")[0] not in {"postgresql", "sqlite"}:
        raise ConfigError(
            f"[database] url must be of PostgreSQL or SQLite, got {parsed.drivername}"
        )
    check_driver(parsed, where=_KEY, remedy=_REMEDY)
    return parsed


def _engine(url: URL) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    arguments: dict[str, object] = {"timeout": BUSY_SECONDS}
    if url.drivername != "sqlite":
        given = {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": BUSY_SECONDS * 1000}
        is_libpq = url.drivername.startswith("postgresql+psycopg")
        arguments = {k: v for k, v in given.items() if is_libpq and k not in url.query}
    # Values stay out of messages: they are the user's data.
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)


def _place(url: URL) -> str:
    """Return the location of a database, without user and password."""
    if url.drivername.startswith("sqlite"):
        return str(url.database)
    host = url.host or url.query.get("host") or "the local socket"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def _reason(error: BaseException) -> str:
    """Return the message of the driver in one line."""
    text = str(getattr(error, "orig", None) or error).strip()
    return " ".join(text.split())[:300]
