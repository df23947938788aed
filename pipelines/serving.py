"""Serve scoring and training of several detectors on their cron schedules, in one process."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aedetect.logs import muted
from pipelines.deployments import SECTIONS, Deployment, deployments
from pipelines.lost_runs import HEARTBEAT, TAG, end_lost_runs
from pipelines.missed_runs import skip_all_but_newest
from pipelines.old_runs import delete_old_runs
from pipelines.server import HOST, await_api, start_server
from pipelines.warm import keep_warm

if TYPE_CHECKING:
    from prefect.runner import Runner

_CHECK_SECONDS = 60  # between two checks for lost runs
_AWAY_SECONDS = 3600  # to wait for the API before exiting; then a service manager takes over
_IMMEDIATE_SECONDS = 60  # an earlier failure is not retried: it would recur


def serve(
    paths: Sequence[Path], *, report: Callable[[str], object], use: Callable[[str], object]
) -> None:
    """Serve each configuration until SIGTERM or SIGINT; active runs are finished.

    Without a Prefect server in PREFECT_API_URL, one is started on this machine and stopped again;
    `use` makes Prefect use a given address, in this process and in child processes.
    Raises ConfigError when a configuration has no schedule, or none that is cron, and ServerError
    when Prefect's API is away for longer than it is waited for.
    """
    wanted = deployments(paths, scheduled=True)
    from prefect.settings import PREFECT_SERVER_API_PORT

    port = PREFECT_SERVER_API_PORT.value()  # 4200 by default
    server = start_server(port=port, services=True)
    if server is not None:
        use(server.api)
    if server is not None and server.process is not None:
        report(f"starting a Prefect server on http://{HOST}:{port}")
        server.wait()
    for each in wanted:
        if each.cron:
            report(
                f'{each.flow} {each.detector} on "{each.cron}" ({each.timezone}), stop with Ctrl+C'
            )
    keep_warm()
    # The owner of another server decides how long it keeps its runs.
    keep = max(each.keep for each in wanted) if server is not None else None
    # asyncio speaks of a reader that Prefect cancels when it is stopped.
    with muted({"asyncio": logging.CRITICAL}), suppress(KeyboardInterrupt):
        _serve_on(wanted, keep=keep, report=report)


def _serve_on(
    wanted: Sequence[Deployment], *, keep: timedelta | None, report: Callable[[str], object]
) -> None:
    """Serve, and resume after an outage of the API: Prefect's runner gives up after minutes."""
    await_api()
    while True:
        begin = time.monotonic()
        try:
            asyncio.run(_serve(wanted, keep=keep, report=report))
        except Exception as error:
            if time.monotonic() - begin < _IMMEDIATE_SECONDS:
                raise
            report(f"serving was interrupted ({error}) and resumes when Prefect's API answers")
            await_api(seconds=_AWAY_SECONDS)
        else:
            return


async def _serve(
    wanted: Sequence[Deployment], *, keep: timedelta | None, report: Callable[[str], object]
) -> None:
    """Serve until SIGTERM, then wait until active runs have ended."""
    runners, served = await _runners(wanted)
    await asyncio.to_thread(_clean_up, served, report=report)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(runner.start()) for runner in runners]
        tasks.append(group.create_task(_check_runs(keep, report)))
        await asyncio.sleep(0)  # let them set their own handlers, which are replaced here
        # Prefect's handler raises SystemExit and leaves a coroutine that is never awaited.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, tasks)
    await asyncio.to_thread(_clean_up, report=report)


def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Stop polling for runs, once: a second cancel would interrupt the wait for active runs."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()


async def _runners(wanted: Sequence[Deployment]) -> tuple[list[Runner], list[UUID]]:
    """Create one runner for scoring and one for training, and register their deployments.

    Runner.add_flow keeps the flow in memory and runs it in a child process that the runner waits
    for, also when it is stopped; prefect.serve with deployments runs a command that it kills. Two
    runners in one loop, each with one run at a time: scoring does not wait for training, which may
    take hours, and twenty detectors due at six o'clock do not load twenty models at once.
    """
    from prefect.runner import Runner

    runners, served = [], []
    for section in SECTIONS:
        here = [each for each in wanted if each.flow == section]
        if not here:
            continue
        # Schedules are not paused on shutdown, so that missed runs are caught up.
        name = f"aedetect-{section}"
        runner = Runner(name=name, limit=1, pause_on_shutdown=False, heartbeat_seconds=HEARTBEAT)
        served += [await _add(runner, each) for each in here]
        runners.append(runner)
    return runners, served


async def _add(runner: Runner, each: Deployment) -> UUID:
    """Register one deployment, limited to one active run, here or elsewhere."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from pipelines.scoring import scoring
    from pipelines.training import training

    flows: dict[str, Any] = {"scoring": scoring, "training": training}
    return await runner.aadd_flow(
        flows[each.flow],
        name=each.detector,
        schedules=[Cron(each.cron, timezone=each.timezone)] if each.cron else [],
        parameters=each.parameters,
        description=each.description,
        tags=[TAG],
        # Enqueued, not cancelled: a triggered run has its own work.
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def _check_runs(keep: timedelta | None, report: Callable[[str], object]) -> None:
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        await asyncio.to_thread(_clean_up, keep=keep, report=report)


def _clean_up(
    served: Sequence[UUID] = (),
    *,
    keep: timedelta | None = None,
    report: Callable[[str], object],
) -> None:
    """End lost runs, skip all but the newest missed run of each deployment, delete old runs.

    Without a length of time for which they are kept, no run is deleted.
    """
    from prefect import get_client

    now = datetime.now(UTC)
    try:
        with get_client(sync_client=True) as client:
            for run in end_lost_runs(client, now=now):
                report(f"{run.name} had lost its process and is ended; the next run does its work")
            for deployment in served:
                if skipped := skip_all_but_newest(client, deployment, now=now):
                    report(f"{skipped} missed runs are skipped: the newest does their work")
            if keep is not None:
                delete_old_runs(client, now=now, keep=keep)
    except Exception as error:  # serving continues; the next check retries
        report(f"could not look after earlier runs ({type(error).__name__}: {error})")
