"""One registry: where it is, whether it exists, and a quiet client that raises our errors."""

from __future__ import annotations

import errno
import logging
import os
import re
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.errors import OutputError, RegistryError
from aedetect.registry.availability import await_registry, database
from aedetect.secrets import mask

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LEVELS = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,  # a line for each of 68 migrations
    "mlflow.store.db.utils": logging.CRITICAL,  # tracebacks of errors that we report
}
# What a disk of this machine answers, and no network.
_LOCAL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EMFILE}
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_TURN = threading.RLock()  # loggers, warning filters, alembic and set_model are process-wide


def is_absent(tracking_uri: str) -> bool:
    """Whether nothing was ever registered here. Asking MLflow itself would create the database."""
    file = database(tracking_uri)
    return file is not None and not file.exists()


@contextmanager
def speaking(tracking_uri: str, *, create: bool = False) -> Iterator[MlflowClient]:
    """Give a client for one registry, to one thread at a time, and keep MLflow off stderr.

    It neither needs nor changes the tracking URI and the active run of the process. A registry that
    is locked or away is waited for; raises RegistryError when it stays so, and OutputError when it
    is this machine that has no room or grants no access.
    """
    from alembic.util import CommandError
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _TURN, _quiet():
            if create and is_absent(tracking_uri):
                _create(tracking_uri)
            await_registry(tracking_uri)
            yield silent(MlflowClient(tracking_uri, registry_uri=tracking_uri))
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError) as error:
        if (here := _on_this_machine(error)) is not None:
            raise OutputError(here) from error
        raise RegistryError(_refusal(tracking_uri, error)) from error


def silent(client: MlflowClient) -> MlflowClient:
    """Keep a client from printing the address of each run that ends, password and all.

    MLflow's own way to say so is a variable in the environment, which is the caller's.
    """
    tracking: Any = client._tracking_client  # noqa: SLF001 - see above
    tracking._log_url = lambda _run_id: None  # noqa: SLF001
    return client


@contextmanager
def tolerating_existing() -> Iterator[None]:
    """Let the creation of something pass that is there already."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _on_this_machine(error: Exception) -> str | None:
    """Say what a file or folder of this machine refused; None when it was none of them.

    Of downloads that failed MLflow gives the text alone.
    """
    found = _NUMBER.search(str(error)) if _is_about_files(error) else None
    number = getattr(error, "errno", None) or (int(found[1]) if found else None)
    if number not in _LOCAL:
        return None
    place = getattr(error, "filename", None) or f"{tempfile.gettempdir()} or the cache of detectors"
    return (
        f"{place} cannot be written ({os.strerror(number)}): free space or grant access and run "
        "again; the registry is not to blame"
    )


def _is_about_files(error: Exception) -> bool:
    return isinstance(error, OSError) or "while downloading one or more artifacts" in str(error)


def _refusal(tracking_uri: str, error: BaseException) -> str:
    """Say in one line what was wrong first, without the password that an address may hold."""
    while error.__cause__ is not None:
        error = error.__cause__
    first, _, rest = str(error).strip().partition("\n")
    reason = f"{first} {rest.rpartition(chr(10))[2]}" if first.endswith(":") else first
    message = (
        f"the MLflow registry at {tracking_uri} did not answer: {reason}; "
        "check [registry] tracking_uri and that nothing else blocks it"
    )
    return mask(message, tracking_uri)


def _create(tracking_uri: str) -> None:
    """Create a local database aside, then put it in place: whole, or not at all.

    MLflow 3.17 makes the tables one by one in the file itself, and processes that begin to do so
    at the same time break each other and the database.
    """
    from mlflow import MlflowClient

    file = database(tracking_uri)
    assert file is not None
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=file.parent) as aside:
        new = Path(aside, file.name)
        MlflowClient(f"sqlite:///{new}").search_experiments(max_results=1)
        try:
            os.link(new, file)
        except OSError:  # another was faster, or there are no hard links here
            if not file.exists():
                new.replace(file)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's chatter off stderr."""
    before = {name: logging.getLogger(name).level for name in _LEVELS}
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
