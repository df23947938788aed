"""Processes of scheduled runs, forked from one that has imported what they need.

Prefect's runner starts a process for each run, which imports Prefect and PyTorch for longer than a
usual run lasts. Here a server of Python's own `multiprocessing`, which has imported these and done
nothing else, is forked instead: a run has a process of its own as before, and ends as before when
it is killed. The server ends with this process, and is started again if it is lost.
"""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

_PRELOADED = "pipelines.preloaded"


class _Forking:
    """Stands for the module `multiprocessing` where Prefect asks it for new processes."""

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing, name)

    def get_context(self, _method: str) -> ForkServerContext:
        """Return what starts processes by forking the server."""
        return self._context


def keep_warm() -> None:
    """Let Prefect's runner fork the processes of runs, and start what is forked.

    Prefect's settings must be made: they are inherited. Only on Linux; elsewhere a process that has
    imported PyTorch may not be safe to fork, and runs start as Prefect starts them.
    """
    if sys.platform != "linux":
        return
    from prefect import flow_engine

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    # Prefect has no setting for it: `run_flow_in_subprocess` asks for "spawn".
    flow_engine.multiprocessing = _Forking(context)  # type: ignore[assignment,attr-defined]
    forkserver.ensure_running()
