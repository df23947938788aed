"""A temporary Prefect server for one command, when none is running; it ends with its parent.

Prefect's own ephemeral server does the same, later and slower: the process that runs the flow
imports the whole server first (2.2 s), waits for the child (2.6 s), and leaves it behind when
killed. This one starts while PyTorch and MLflow are imported, and ends with its parent.

Run by `start_server`, as a module: pipelines.server PORT PARENT
"""

from __future__ import annotations

import atexit
import ctypes
import gc
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
from aedetect.quick_start import own_process, unsearched
from pipelines.children import SAFE_PATH, command
from pipelines.named_server import named_server

HOST = "127.0.0.1"
_START_SECONDS = 120  # the first start creates the database of Prefect
_AWAY_SECONDS = 120  # to wait for a server that is being restarted or updated
_MAX_PAUSE = 8.0  # seconds between two attempts
_LEASES = "prefect.server.concurrency.lease_storage.filesystem"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Server:
    """A Prefect server of this machine: its process, if started here, and its address."""

    process: subprocess.Popen[bytes] | None
    api: str

    def wait(self) -> None:
        """Wait until the server answers; raise ServerError if it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and not self._has_ended():
            if answers(self.api):
                return
            time.sleep(0.05)
        ended = self._has_ended()
        why = "its process ended" if ended else f"no answer within {_START_SECONDS} s"
        raise ServerError(
            f"no Prefect server came up on {self.api} ({why}; its database may be in use): start "
            "one with `prefect server start` and set PREFECT_API_URL, or read its log with "
            "--debug"
        )

    def stop(self) -> None:
        """Stop the server if it was started here, and wait until it has ended."""
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
    """Start a server, unless one answers on the port; None if Prefect's settings name one.

    The caller makes Prefect use its address. With `services` it also schedules runs.
    """
    if named_server():
        return None
    chosen = port or _free_port()
    api = f"http://{HOST}:{chosen}/api"
    if port is not None and answers(api):
        return Server(None, api)
    return _spawn(chosen, api, services=services)


def _spawn(port: int, api: str, *, services: bool) -> Server:
    """Start the server process; it ends with this process."""
    variables = {"PREFECT_UI_ENABLED": "true" if services else "false"}
    if services:  # concurrency slots must survive a restart of the server
        variables["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"] = _LEASES
    if not services:
        variables["PREFECT__SERVER_EPHEMERAL"] = "1"  # no services
    process = subprocess.Popen(  # noqa: S603 - the command is written here
        command("pipelines.server", str(port), str(os.getpid())),
        env=os.environ | variables | SAFE_PATH | {"PREFECT__SERVER_FINAL": "1"},
        stderr=subprocess.DEVNULL if _is_silenced() else None,
        # Its own session: Ctrl+C stops the runs, then this process, and then the server.
        start_new_session=True,
    )
    server = Server(process, api)
    atexit.register(server.stop)  # after Prefect has sent its pending data at exit
    return server


def _is_silenced() -> bool:
    """Whether Prefect's logging is silenced: then the server's stderr is discarded too."""
    return os.environ.get("PREFECT_LOGGING_LEVEL") == "CRITICAL"


@contextmanager
def found_server() -> Iterator[str]:
    """Use the server that Prefect's settings name, or the one that `aedetect schedule` started.

    Yields its address, and restores Prefect's settings afterwards. Raises ServerError if there is
    none.
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
    """Wait, with increasing pauses, until the server in Prefect's settings answers.

    Raises ServerError if it does not within `seconds`.
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
        pause = min(2 * pause, _MAX_PAUSE)


def answers(api: str) -> bool:
    """Whether a Prefect server answers, including one that requires authentication."""
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
    """Run the server on a port, until SIGTERM or the end of the parent."""
    with suppress(OSError, AttributeError):  # Linux only; elsewhere a killed parent leaves it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[2]):  # killed while this process started
        return
    own_process()
    with unsearched():
        import uvicorn
        from prefect.server.api.server import create_app

        gc.freeze()  # Prefect collects once
        app = create_app()
    uvicorn.run(app, host=HOST, port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    run_server()
