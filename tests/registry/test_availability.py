"""How long to wait for a registry, and which errors are raised at once."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aedetect.errors import ConfigError
from aedetect.registry import list_versions
from aedetect.registry.availability import await_registry


@pytest.fixture
def pauses(monkeypatch):
    """Count the pauses without waiting; a given action runs in the first."""
    waited = []
    events = []

    def pause(seconds):
        waited.append(seconds)
        if events:
            events.pop()()

    monkeypatch.setattr("aedetect.registry.availability.time.sleep", pause)
    return waited, events


@contextmanager
def serving(status, *, port=0):
    """Answer every request with one status; yield the port and the requested paths."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def free_port():
    """A port that nothing listens on."""
    with serving(200) as (port, _):
        return port


@pytest.mark.parametrize("status", [200, 401, 404])
def test_no_wait_for_a_server_that_answers(pauses, status):
    """With any status except a server error; the request contains no password."""
    with serving(status) as (port, asked):
        await_registry(f"http://me:secret@127.0.0.1:{port}/mlflow")
    assert asked == [("/mlflow/health", None)]
    assert pauses[0] == []


def test_wait_for_a_server_that_starts(pauses):
    """The request is repeated after a pause."""
    waited, events = pauses
    port = free_port()
    late = serving(200, port=port)
    events.append(late.__enter__)
    await_registry(f"http://127.0.0.1:{port}")
    late.__exit__(None, None, None)
    assert waited == [0.25]


def test_an_unavailable_server_is_an_error(pauses):
    """After increasing pauses, 32 seconds in total."""
    with pytest.raises(OSError, match="refused"):
        await_registry(f"http://127.0.0.1:{free_port()}")
    assert sum(pauses[0]) == 31.75
    assert pauses[0] == sorted(pauses[0])


def test_wait_for_a_server_with_an_error_status(pauses):
    """As a proxy reports a missing server behind it."""
    with serving(503) as (port, _), pytest.raises(OSError, match="503"):
        await_registry(f"http://127.0.0.1:{port}")
    assert len(pauses[0]) == 8


def test_no_wait_for_a_file_that_is_no_database(pauses, tmp_path):
    """Waiting would not help."""
    (tmp_path / "mlflow.db").write_text("not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await_registry(f"sqlite:///{tmp_path}/mlflow.db")
    assert pauses[0] == []


def test_no_wait_for_other_databases(pauses):
    """MLflow itself waits for PostgreSQL."""
    await_registry("postgresql://127.0.0.1:9/mlflow")
    assert pauses[0] == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:port", "must be a URL such as http://host:5000"),
        ("http://127.0.0.1:99999", "must be a URL such as http://host:5000"),
        ("https://127.0.0.1:0", "must have a port from 1 to 65535, got 0"),
        ("http://", "must name a host"),
        ("http://me:12/canary@db:5000", "must name a host.* write %40 for @, %2F for /"),
        ("postgresql+psycopg://me:canary@db:99999/x", "must have a port from 1 to 65535"),
        ("postgresql+psycopg://me:ab@canary@db/x", "must have one @"),
        ("postgresql://me:canary@db:port/x", "must be a URL of SQLAlchemy"),
        ("postgresql+psycopg2://me:canary@db/x", "needs the driver .* pip install psycopg2-binary"),
        ("mysql+pymysql://me:canary@db/x", "needs the driver mysql.pymysql .* pip install"),
    ],
)
def test_addresses_that_never_work_are_refused_at_once(pauses, address, reason):
    """A wrong port and a missing driver are named, and nothing that may be the password is."""
    with pytest.raises(ConfigError, match=r"^\[registry\] tracking_uri " + reason) as refused:
        list_versions(tracking_uri=address)
    assert "canary" not in str(refused.value)
    assert pauses == ([], [])
