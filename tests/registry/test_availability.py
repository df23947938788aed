"""How long a registry is waited for, and which errors are not worth it."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aedetect.registry.availability import await_registry


@pytest.fixture
def pauses(monkeypatch):
    """Count the pauses, none of which is waited for; what is given happens in the first."""
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
    """Answer every request with one status; give the address and the paths asked for."""
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
    """A port that nobody listens on."""
    with serving(200) as (port, _):
        return port


@pytest.mark.parametrize("status", [200, 401, 404])
def test_server_that_answers_is_not_waited_for(pauses, status):
    """Whatever it says but that it is unwell; it is told no password by this question."""
    with serving(status) as (port, asked):
        await_registry(f"http://me:secret@127.0.0.1:{port}/mlflow")
    assert asked == [("/mlflow/health", None)]
    assert pauses[0] == []


def test_server_that_comes_up_is_waited_for(pauses):
    """It is asked again after a pause."""
    waited, events = pauses
    port = free_port()
    late = serving(200, port=port)
    events.append(late.__enter__)
    await_registry(f"http://127.0.0.1:{port}")
    late.__exit__(None, None, None)
    assert waited == [0.25]


def test_server_that_stays_away_is_given_up(pauses):
    """After pauses that grow, 32 seconds in all."""
    with pytest.raises(OSError, match="refused"):
        await_registry(f"http://127.0.0.1:{free_port()}")
    assert sum(pauses[0]) == 31.75
    assert pauses[0] == sorted(pauses[0])


def test_server_that_is_unwell_is_waited_for(pauses):
    """A proxy without a server behind it says so by its status."""
    with serving(503) as (port, _), pytest.raises(OSError, match="503"):
        await_registry(f"http://127.0.0.1:{port}")
    assert len(pauses[0]) == 8


def test_file_that_is_no_database_is_not_waited_for(pauses, tmp_path):
    """Time does not make one of it."""
    (tmp_path / "mlflow.db").write_text("not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await_registry(f"sqlite:///{tmp_path}/mlflow.db")
    assert pauses[0] == []


def test_other_addresses_are_left_to_mlflow(pauses):
    """It waits for PostgreSQL itself."""
    await_registry("postgresql://127.0.0.1:9/mlflow")
    assert pauses[0] == []
