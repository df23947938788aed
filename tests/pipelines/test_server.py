"""The temporary Prefect server of a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from aedetect.errors import ServerError
from pipelines.server import Server, answers, await_api

START = """
from pipelines.server import start_server
server = start_server()
print(server.process.pid if server else None, flush=True)
import sys
sys.stdin.read()
"""


def started(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a process that starts a server and then waits for its input to end."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=own | {"PREFECT_HOME": str(tmp_path), **environment},
    )


def is_running(pid: int) -> bool:
    """Whether a process is running, not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_configured_server_is_used(tmp_path):
    """With PREFECT_API_URL set, none is started."""
    parent = started(tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")
    out, _ = parent.communicate("", timeout=60)
    assert out.strip() == "None"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the end of the parent")
@pytest.mark.parametrize("seconds", [0, 1])  # before the child has registered the signal, after
def test_server_ends_with_a_parent_that_is_killed(tmp_path, seconds):
    """A killed run leaves no server behind."""
    parent = started(tmp_path)
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    time.sleep(seconds)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(pid)


def test_server_that_dies_is_an_error_at_once():
    """Without waiting two minutes for a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ServerError, match="no Prefect server came up on http://127"):
        Server(process, "http://127.0.0.1:9/api").wait()


def test_closed_port_does_not_answer():
    """There is no server."""
    assert not answers("http://127.0.0.1:9/api")


class Health(BaseHTTPRequestHandler):
    """Answers like a server: 200, or 401 without authentication."""

    status = 200

    def do_GET(self):
        """Answer every request."""
        self.send_response(self.status if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *args):
        """Log nothing."""


@pytest.fixture
def api():
    """Configure an API that does not answer yet; yield it and a function that starts it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    server = HTTPServer(("127.0.0.1", 0), Health, bind_and_activate=False)
    server.server_bind()
    url = f"http://127.0.0.1:{server.server_address[1]}/api"

    def begin():
        server.server_activate()
        server.serve_forever(poll_interval=0.01)

    thread = threading.Thread(target=begin, daemon=True)
    with temporary_settings(updates={PREFECT_API_URL: url}):
        yield url, thread
    if thread.ident is not None:
        server.shutdown()
        thread.join()
    server.server_close()


def test_wait_for_a_server_that_restarts(api):
    """It delays the run and does not fail it."""
    url, thread = api
    threading.Timer(0.5, thread.start).start()
    assert not answers(url)
    await_api(seconds=30)
    assert answers(url)


def test_unavailable_server_is_an_error(api):
    """The message has the server, the time waited, and the remedy."""
    begin = time.monotonic()
    with pytest.raises(ServerError, match=f"{api[0]}, has not answered for 1 s: start it, or"):
        await_api(seconds=1)
    assert time.monotonic() - begin < 5


def test_server_that_requires_authentication_answers(api, monkeypatch):
    """Status 401 is an answer."""
    url, thread = api
    monkeypatch.setattr(Health, "status", 401)
    thread.start()
    await_api(seconds=10)
    monkeypatch.setattr(Health, "status", 503)
    assert not answers(url)
