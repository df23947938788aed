"""What every run does first: record its process, and clean up after earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from pipelines.endings import failed
from pipelines.lost_runs import end_lost_runs
from pipelines.missed_runs import skip_others
from pipelines.old_runs import delete_idle_runs
from pipelines.process_identity import this_process

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_P = ParamSpec("_P")
_R = TypeVar("_R")


def guarded(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Wrap the function of a flow, to clean up after earlier runs first, and to fail in one line.

    Called as a plain function, without Prefect, it is as it was.
    """

    @wraps(function)
    def begin(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        from prefect.context import FlowRunContext

        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            return function(*args, **kwargs)
        _clean_up(context.flow_run)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            return cast("_R", failed(error))  # Prefect raises the error to who called the flow

    return begin


def _clean_up(run: FlowRun) -> None:
    """Label this run with its process, skip runs that it replaces, and end lost runs.

    A failure here does not stop the run: the next run repeats the cleanup.
    """
    from prefect import get_client, get_run_logger

    logger = get_run_logger()
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run.id, dict(this_process().labels))
            now = datetime.now(UTC)
            if skipped := skip_others(client, run, now=now):
                logger.info("%d other runs were due: this one does their work", skipped)
            for lost in end_lost_runs(client, now=now, except_for=run.id):
                logger.warning("%s had lost its process and is ended", lost.name)
            delete_idle_runs(client, run, now=now)
    except Exception as error:
        logger.warning("could not look after earlier runs: %s: %s", type(error).__name__, error)
