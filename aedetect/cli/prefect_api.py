"""Choose the Prefect server of a command, in the environment of the process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aedetect.quick_start import unsearched


def use_api(api: str) -> None:
    """Make Prefect, already imported, use a server; child processes use it too."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = api
    refresh_global_settings_context()


@contextmanager
def prefect_server() -> Iterator[Callable[[], None]]:
    """Start a Prefect server if none is running; yield a function that waits until it answers.

    On that server runs of this process send no heartbeats: its end is found by its labels, and
    Prefect waits up to a second for the thread that sends them.
    """
    from pipelines.server import await_api, start_server

    server = start_server()  # which imports Prefect while this process does
    if server is None:
        yield await_api
        return
    with unsearched():
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        use_api(server.api)
    with temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield server.wait
