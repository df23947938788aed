"""A Prefect server for one command, when nobody runs one: started early, gone with its parent.

Prefect's own ephemeral server does the same, later and slower: the process that runs the flow
imports the whole server first (2.2 s), waits for the child (2.6 s), and leaves it behind when it
is killed. This one starts while PyTorch and MLflow are imported, and dies with its parent.

Run by `start`, as a module: pipelines.server PORT
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from aedetect.errors import ServerError
from pipelines.children import SAFE_PATH, command

HOST = "127.0.0.1"
_START_SECONDS = 120  # the first start sets the database of Prefect up
_AWAY_SECONDS = 120  # that a server may be away when a run starts: it restarts, or is updated
_SLOWEST = 8.0  # seconds between two looks at most
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Server:
    """A Prefect server of this machine: its process if it is ours, and where it answers."""

    process: subprocess.Popen[bytes] | None
    api: str

    def wait(self) -> None:
        """Wait until it answers; raise ServerError when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and not self._has_ended():
            if answers(self.api):
                return
            time.sleep(0.05)
        ended = self._has_ended()
        why = "its process ended" if ended else f"no answer within {_START_SECONDS} s"
        raise ServerError(
            f"no Prefect server came up on {self.api} ({why}; its database may be in use): start "
            "one with `prefect server start` and set PREFECT_API_URL, or look at its log with "
            "--debug"
        )

    def stop(self) -> None:
        """End it, if it is ours, and wait until it has ended."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def start_server(*, port: int | None = None, services: bool = False) -> Server | None:
    """Start a server, unless one answers on the port; None when Prefect's settings name one.

    Who calls it has Prefect use its address. With `services` it also schedules runs.
    """
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:
        return None
    chosen = port or _free_port()
    api = f"http://{HOST}:{chosen}/api"
    if port is not None and answers(api):
        return Server(None, api)
    return _spawn(chosen, api, services=services)


def _spawn(port: int, api: str, *, services: bool) -> Server:
    """Start the process below; it ends when this one does."""
    quiet = {"PREFECT_UI_ENABLED": "true" if services else "false"}
    if services:  # who holds the slot of a concurrency limit must outlast the server's memory
        quiet["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] = _LEASES
    if not services:
        quiet["PREFECT__SERVER_EPHEMERAL"] = "1"  # as Prefect does for its own: no services
    process = subprocess.Popen(  # noqa: S603 - the command is written here
        command("pipelines.server", str(port)),
        env=os.environ | quiet | SAFE_PATH | {"PREFECT__SERVER_FINAL": "1"},
        stderr=subprocess.DEVNULL if _is_quiet() else None,
        # A session of its own: Ctrl+C stops the runs first, then us, and then the server.
        start_new_session=True,
    )
    server = Server(process, api)
    atexit.register(server.stop)  # after Prefect, at its own exit, has sent what it still holds
    return server


def _is_quiet() -> bool:
    """Whether Prefect is told to log next to nothing: the server's warnings are no concern then."""
    return os.environ.get("PREFECT_LOGGING_LEVEL") == "CRITICAL"


@contextmanager
def found_server() -> Iterator[str]:
    """Use the server that Prefect's settings name, or the one that `aedetect schedule` started.

    Gives its address; Prefect's settings are those of before afterwards. Raises ServerError when
    there is none.
    """
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_SERVER_API_PORT,
        get_current_settings,
        temporary_settings,
    )

    named = get_current_settings().api.url
    if named is not None:
        yield named
        return
    api = f"http://{HOST}:{PREFECT_SERVER_API_PORT.value()}/api"
    if not answers(api):
        raise ServerError(
            f"a Prefect server is needed, but PREFECT_API_URL names none and {api} does "
            "not answer: start `aedetect schedule` or `prefect server start` first"
        )
    with temporary_settings(updates={PREFECT_API_URL: api}):
        yield api


def await_api(*, seconds: float = _AWAY_SECONDS) -> None:
    """Wait until the server that Prefect's settings name answers, looking ever less often.

    Raises ServerError when it does not within so many seconds.
    """
    from prefect.settings import get_current_settings

    api = get_current_settings().api.url
    if api is None:
        return
    deadline, pause = time.monotonic() + seconds, 0.25
    while not answers(api):
        if time.monotonic() + pause > deadline:
            raise ServerError(
                f"the Prefect server that PREFECT_API_URL names, {api}, has not answered for "
                f"{seconds:.0f} s: start it, or unset PREFECT_API_URL to do without"
            )
        time.sleep(pause)
        pause = min(2 * pause, _SLOWEST)


def answers(api: str) -> bool:
    """Whether a Prefect server is there; one that wants to know who asks is there, too."""
    try:
        with urlopen(f"{api}/health", timeout=5) as reply:  # noqa: S310
            return bool(reply.status == HTTPStatus.OK)
    except HTTPError as error:
        return error.code < HTTPStatus.INTERNAL_SERVER_ERROR
    except (URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def run_server() -> None:
    """Serve on a port, until told to stop or until the parent is gone."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):  # Linux only; elsewhere a killed parent leaves it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    import uvicorn

    app = "prefect.server.api.server:create_app"
    uvicorn.run(app, factory=True, host=HOST, port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    run_server()
