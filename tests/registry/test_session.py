"""Registries that are absent, broken or busy: messages, and no side effects."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from aedetect.errors import RegistryError, UnknownModel
from aedetect.registry import find_version, list_versions
from aedetect.registry.session import silent


@pytest.fixture
def file(tmp_path):
    """The path of the database of a registry."""
    (tmp_path / "mlruns").mkdir()
    return tmp_path / "mlruns" / "mlflow.db"


def test_reading_an_absent_registry_creates_nothing(file):
    """An absent registry has no versions, and reading it leaves no file behind."""
    assert list_versions(tracking_uri=f"sqlite:///{file}") == []
    with pytest.raises(UnknownModel, match=r'no "pump", and no other: run `aedetect train CONFIG`'):
        find_version("pump", tracking_uri=f"sqlite:///{file}")
    assert list(file.parent.iterdir()) == []


def test_a_broken_database_is_refused_at_once(file):
    """A file that is not a database is named, without the 100 seconds of MLflow's retries."""
    file.write_text("not a database" * 100)
    with pytest.raises(RegistryError, match=r"mlflow\.db did not answer: file is not a data"):
        list_versions(tracking_uri=f"sqlite:///{file}")


def test_a_locked_database_is_named(file, monkeypatch):
    """If another program holds the lock of the database, the message says so."""
    monkeypatch.setattr("aedetect.registry.availability.PAUSES", (0.01,))
    with closing(sqlite3.connect(file)) as other:
        other.executescript("CREATE TABLE anything (id); BEGIN EXCLUSIVE;")
        with pytest.raises(RegistryError, match="database is locked"):
            find_version("pump", tracking_uri=f"sqlite:///{file}")


def test_an_unreachable_server_is_named_without_its_password(monkeypatch):
    """The message names the address to check, without the secret in it."""
    monkeypatch.setattr("aedetect.registry.availability.PAUSES", (0.01,))
    with pytest.raises(
        RegistryError, match=r"http://\*\*\*@127\.0\.0\.1:9 did not answer"
    ) as refused:
        find_version("pump", tracking_uri="http://me:secret@127.0.0.1:9")
    assert "secret" not in str(refused.value)


def test_processes_that_start_together_share_one_new_database(file):
    """Simultaneous first trainings do not break the database."""
    code = (
        "import sys; from aedetect.registry.session import open_client\n"
        "with open_client(sys.argv[1], create=True) as client:\n"
        "    client.create_registered_model(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{file}"]
    started = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [process.wait(60) for process in started] == [0, 0]
    assert list(file.parent.iterdir()) == [file]


def test_importing_the_registry_leaves_mlflow_alone():
    """Importing the settings does not import MLflow, which takes seconds."""
    code = "import sys, aedetect.registry; sys.exit('mlflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_address_of_a_run_is_not_printed(capsys, monkeypatch):
    """It may contain a password; the environment, which could switch it off, does not change."""
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", raising=False)
    client = silent(MlflowClient("http://user:secret@127.0.0.1:1"))
    store = client._tracking_client.store  # noqa: SLF001 - no server answers here
    monkeypatch.setattr(store, "shut_down_async_logging", lambda: None)
    monkeypatch.setattr(store, "update_run_info", lambda *_args, **_kwargs: None)
    client.set_terminated("1", "FINISHED")  # asks the store for the run only to print its address
    assert capsys.readouterr().out == ""
