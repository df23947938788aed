"""Wait, with increasing pauses, for a registry that is locked or unavailable."""

from __future__ import annotations

import logging
import sqlite3
import ssl
import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from aedetect.addresses import check_driver, check_server_url, parse_database_url
from aedetect.logs import log_event

logger = logging.getLogger(__name__)

# Seconds between attempts, 32 in total: enough for an MLflow server to restart.
PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
_KEY = "[registry] tracking_uri"
_EXAMPLE = "sqlite:///mlruns/mlflow.db, http://host:5000 or postgresql://user:password@host/mlflow"
_DIALECTS = {"sqlite", "postgresql", "mysql", "mssql"}
_LOCK_SECONDS = 1.0  # seconds that one attempt waits for the lock of a SQLite file
_CONNECT_SECONDS = 3.0  # seconds that one attempt waits for a server


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the SQLite file of a tracking URI, None where it is another kind of address.

    >>> sqlite_file("sqlite:////srv/mlflow.db"), sqlite_file("http://mlflow:5000")
    (PosixPath('/srv/mlflow.db'), None)
    """
    scheme, _, path = tracking_uri.partition(":///")
    return Path(path.partition("?")[0]).absolute() if scheme.startswith("sqlite") else None


def check_address(tracking_uri: str) -> None:
    """Raise ConfigError when no registry can be at an address; MLflow would try for minutes."""
    scheme, separator, _ = tracking_uri.partition("://")
    if scheme in {"http", "https"} and separator:
        check_server_url(tracking_uri, where=_KEY)
    elif scheme.partition("+")[0] in _DIALECTS and separator:
        url = parse_database_url(tracking_uri, where=_KEY, example=_EXAMPLE)
        driver = "psycopg2-binary" if scheme.endswith(("postgresql", "psycopg2")) else "its package"
        check_driver(url, where=_KEY, remedy=f"pip install {driver}, or name another driver")


def await_registry(tracking_uri: str) -> None:
    """Wait until a SQLite file or a server answers; for other databases MLflow itself waits.

    Raises the error of the last attempt, sqlite3.Error or OSError, after all pauses; at once when
    the file is not a database.
    """
    for pause in PAUSES:
        try:
            _try_once(tracking_uri)
        except (sqlite3.OperationalError, OSError) as error:
            if isinstance(error, sqlite3.Error) and not _is_busy(error):
                raise
            if pause == PAUSES[0]:
                text = f"the MLflow registry does not answer ({error}); waiting up to"
                log_event(logger, "note", text=f"{text} {sum(PAUSES):.0f} s")
            time.sleep(pause)
        else:
            return
    _try_once(tracking_uri)


def _try_once(tracking_uri: str) -> None:
    file = sqlite_file(tracking_uri)
    if file is not None:
        _open(file)
    elif tracking_uri.startswith(("http://", "https://")):
        _connect(tracking_uri)


def _open(file: Path) -> None:
    """Open a SQLite file; MLflow would retry for 100 s if it is not a database."""
    uri = f"{file.as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS)) as connection:
        connection.execute("PRAGMA schema_version")


def _is_busy(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _connect(address: str) -> None:
    """Check the health of a server, without sending a password."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    health = urlunsplit((parts.scheme, host, parts.path.rstrip("/") + "/health", "", ""))
    try:
        with urlopen(health, timeout=_CONNECT_SECONDS):  # noqa: S310 - http and https only
            pass
    except HTTPError as error:
        error.close()
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
    except URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # MLflow may be configured to trust it
            raise
