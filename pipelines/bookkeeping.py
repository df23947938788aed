"""What every run does first: say who it is, and put in order what others left behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from pipelines.lost_runs import end_lost_runs
from pipelines.missed_runs import skip_others
from pipelines.process_identity import this_process

_P = ParamSpec("_P")
_R = TypeVar("_R")


def guarded(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a flow's function put things in order before it does its work."""

    @wraps(function)
    def begin(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _put_in_order()
        return function(*args, **kwargs)

    return begin


def _put_in_order() -> None:
    """Label this run, take over what it does for others, end what is lost.

    That it cannot is no reason not to score: what stays behind, the next run finds.
    """
    from prefect import get_client, get_run_logger
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return  # the function itself, without Prefect
    logger = get_run_logger()
    try:
        run = context.flow_run
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run.id, dict(this_process().labels))
            now = datetime.now(UTC)
            if skipped := skip_others(client, run, now=now):
                logger.info("%d other runs were due: this one does their work", skipped)
            for lost in end_lost_runs(client, now=now, except_for=run.id):
                logger.warning("%s had lost its process and is ended", lost.name)
    except Exception as error:
        logger.warning("could not look after earlier runs: %s: %s", type(error).__name__, error)
