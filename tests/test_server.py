"""The Prefect server of one command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aedetect.errors import ServerError
from pipelines.server import Server, answers

START = """
from pipelines.server import start
server = start()
print(server.process.pid if server else None, flush=True)
import sys
sys.stdin.read()
"""


def started(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a process that starts a server and then waits to be told to end."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=own | {"PREFECT_HOME": str(tmp_path), **environment},
    )


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only its exit status."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_server_that_is_named_is_used(tmp_path):
    """With PREFECT_API_URL set, none is started."""
    parent = started(tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")
    out, _ = parent.communicate("", timeout=60)
    assert out.strip() == "None"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_server_ends_with_a_parent_that_is_killed(tmp_path):
    """A killed run leaves no server behind."""
    parent = started(tmp_path)
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    time.sleep(1)  # until the child has asked to be told
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(pid)


def test_server_that_dies_is_an_error_at_once():
    """Nobody waits two minutes for a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ServerError, match="no Prefect server came up on http://127"):
        Server(process, "http://127.0.0.1:9/api").wait()


def test_nothing_answers_where_nothing_is():
    """A closed port is no server."""
    assert not answers("http://127.0.0.1:9/api")
