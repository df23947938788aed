"""Access to one registry: whether it exists, and a client that raises aedetect's errors."""

from __future__ import annotations

import errno
import logging
import os
import re
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.errors import OutputError, RegistryError
from aedetect.logs import muted
from aedetect.quick_start import unsearched
from aedetect.registry.availability import await_registry, check_address, sqlite_file
from aedetect.secrets import mask

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LEVELS = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,  # a line for each of 68 migrations
    "mlflow.store.db.utils": logging.CRITICAL,  # tracebacks of errors that aedetect reports
}
# Errors of a local disk, not of a network.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EMFILE}
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_LOCK = threading.RLock()  # loggers, warning filters, alembic and set_model are process-wide


def is_absent(tracking_uri: str) -> bool:
    """Whether the local database does not exist. MLflow itself would create it."""
    file = sqlite_file(tracking_uri)
    return file is not None and not file.exists()


@contextmanager
def open_client(tracking_uri: str, *, create: bool = False) -> Iterator[MlflowClient]:
    """Yield a client for one registry, to one thread at a time; MLflow does not log to stderr.

    The client neither needs nor changes the tracking URI and the active run of the process. Waits
    for a registry that is locked or unavailable. Raises RegistryError when it remains so, and
    OutputError when the disk of this machine is full or not writable.
    """
    check_address(tracking_uri)
    if "mlflow" not in sys.modules:
        _import_mlflow()
    from alembic.util import CommandError
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _LOCK, silenced():
            if create and is_absent(tracking_uri):
                _create(tracking_uri)
            await_registry(tracking_uri)
            yield silent(MlflowClient(tracking_uri, registry_uri=tracking_uri))
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError) as error:
        if (here := _disk_error_message(error)) is not None:
            raise OutputError(here) from error
        raise RegistryError(_error_message(tracking_uri, error)) from error


def _import_mlflow() -> None:
    """Import what a client of a local registry takes."""
    with unsearched():
        import mlflow.store.db.utils  # noqa: F401 - with it come SQLAlchemy and alembic


def silent(client: MlflowClient) -> MlflowClient:
    """Keep a client from printing the address of each run, which may contain a password.

    MLflow's own switch is an environment variable, and the environment belongs to the caller.
    """
    tracking: Any = client._tracking_client  # noqa: SLF001 - see above
    tracking._log_url = lambda _run_id: None  # noqa: SLF001
    return client


@contextmanager
def tolerating_existing() -> Iterator[None]:
    """Ignore the error that something to create already exists."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _disk_error_message(error: Exception) -> str | None:
    """Return the message for an error of a local file or folder; None for other errors.

    For failed downloads MLflow gives only the text of the error.
    """
    found = _NUMBER.search(str(error)) if _is_about_files(error) else None
    number = getattr(error, "errno", None) or (int(found[1]) if found else None)
    if number not in _DISK_ERRORS:
        return None
    place = getattr(error, "filename", None) or f"{tempfile.gettempdir()} or the cache of detectors"
    return (
        f"{place} cannot be written ({os.strerror(number)}): free space or grant access and run "
        "again; the registry is not to blame"
    )


def _is_about_files(error: Exception) -> bool:
    return isinstance(error, OSError) or "while downloading one or more artifacts" in str(error)


def _error_message(tracking_uri: str, error: BaseException) -> str:
    """Return the first cause in one line, without the password that an address may contain."""
    while error.__cause__ is not None:
        error = error.__cause__
    first, _, rest = str(error).strip().partition("\n")
    reason = f"{first} {rest.rpartition(chr(10))[2]}" if first.endswith(":") else first
    message = (
        f"the MLflow registry at {tracking_uri} did not answer: {reason}; "
        "check [registry] tracking_uri and that nothing else blocks it"
    )
    return mask(message, *([tracking_uri] if "://" in tracking_uri else []))


def _create(tracking_uri: str) -> None:
    """Create a local database atomically: in a temporary folder, then moved into place.

    MLflow 3.17 creates the tables one by one in the file itself; processes that do so at the same
    time break each other and the database.
    """
    from mlflow import MlflowClient

    file = sqlite_file(tracking_uri)
    assert file is not None
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=file.parent) as aside:
        new = Path(aside, file.name)
        MlflowClient(f"sqlite:///{new}").search_experiments(max_results=1)
        try:
            os.link(new, file)
        except OSError:  # another process was faster, or hard links are not supported
            if not file.exists():
                new.replace(file)


def silenced() -> AbstractContextManager[None]:
    """Silence MLflow on stderr."""
    return muted(_LEVELS)
