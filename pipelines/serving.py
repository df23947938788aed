"""Serve scoring and training of several detectors on their cron schedules, in one process."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pipelines.deployments import SECTIONS, Deployment, deployments
from pipelines.lost_runs import HEARTBEAT, TAG, end_lost_runs
from pipelines.missed_runs import skip_all_but_newest
from pipelines.old_runs import delete_old_runs
from pipelines.server import HOST, await_api, start_server

if TYPE_CHECKING:
    from prefect.runner import Runner

_LOOK_SECONDS = 60  # between two looks for runs that lost their process
_AWAY_SECONDS = 3600  # that who serves waits for the API, before a service manager has its turn
_AT_ONCE_SECONDS = 60  # what fails sooner than that, fails the same when tried again


def serve(
    paths: Sequence[Path], *, tell: Callable[[str], object], use: Callable[[str], object]
) -> None:
    """Serve each configuration until SIGTERM or SIGINT; runs under way are finished.

    Without a Prefect server in PREFECT_API_URL one is started on this machine, and stopped again;
    `use` has Prefect use the address that it is called with, here and in child processes.
    Raises ConfigError when a configuration has no schedule, or none that is cron, and ServerError
    when Prefect's API is away for longer than it is waited for.
    """
    wanted = deployments(paths, scheduled=True)
    from prefect.settings import PREFECT_SERVER_API_PORT

    port = PREFECT_SERVER_API_PORT.value()  # 4200, unless told otherwise
    server = start_server(port=port, services=True)
    if server is not None:
        use(server.api)
    if server is not None and server.process is not None:
        tell(f"starting a Prefect server, to be seen on http://{HOST}:{port}")
        server.wait()
    for each in wanted:
        if each.cron:
            tell(f'{each.flow} {each.detector} on "{each.cron}" (UTC), stop with Ctrl+C')
    # Of a server that others run, they decide how long it keeps its runs.
    keep = max(each.keep for each in wanted) if server is not None else None
    with _quiet_asyncio(), suppress(KeyboardInterrupt):
        _serve_on(wanted, keep=keep, tell=tell)


@contextmanager
def _quiet_asyncio() -> Iterator[None]:
    """Hide what asyncio logs of a reader that Prefect cancels when it is stopped."""
    log = logging.getLogger("asyncio")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _serve_on(
    wanted: Sequence[Deployment], *, keep: timedelta | None, tell: Callable[[str], object]
) -> None:
    """Serve, and serve on when the API was away: Prefect's runner gives up after some minutes."""
    await_api()
    while True:
        begin = time.monotonic()
        try:
            asyncio.run(_serve(wanted, keep=keep, tell=tell))
        except Exception as error:
            if time.monotonic() - begin < _AT_ONCE_SECONDS:
                raise
            tell(f"serving was interrupted ({error}), and is taken up again with Prefect's API")
            await_api(seconds=_AWAY_SECONDS)
        else:
            return


async def _serve(
    wanted: Sequence[Deployment], *, keep: timedelta | None, tell: Callable[[str], object]
) -> None:
    """Serve until SIGTERM, and then until the runs under way have ended."""
    runners, served = await _runners(wanted)
    await asyncio.to_thread(_tidy, served, tell=tell)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(runner.start()) for runner in runners]
        tasks.append(group.create_task(_look_after_runs(keep, tell)))
        await asyncio.sleep(0)  # until they have set their own handlers, which ours replaces
        # Prefect's handler leaves by SystemExit past a coroutine that nobody awaits.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, tasks)
    await asyncio.to_thread(_tidy, tell=tell)


def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Stop looking for work, once: a second time would disturb those who wait for their runs."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()


async def _runners(wanted: Sequence[Deployment]) -> tuple[list[Runner], list[UUID]]:
    """Make one runner for scoring and one for training, and register what they serve.

    Runner.add_flow keeps the flow in memory and runs it in a child that the runner waits for, also
    when it is stopped; prefect.serve, given deployments, runs a command that it kills. Two runners
    in one loop, each with one run at a time: scoring does not wait for training, which may take
    hours, and twenty detectors due at six o'clock do not load twenty models at once.
    """
    from prefect.runner import Runner

    runners, served = [], []
    for section in SECTIONS:
        here = [each for each in wanted if each.flow == section]
        if not here:
            continue
        # What falls due while nobody serves stays, to be caught up: schedules are not paused.
        name = f"aedetect-{section}"
        runner = Runner(name=name, limit=1, pause_on_shutdown=False, heartbeat_seconds=HEARTBEAT)
        served += [await _add(runner, each) for each in here]
        runners.append(runner)
    return runners, served


async def _add(runner: Runner, each: Deployment) -> UUID:
    """Register one deployment, of which one run at a time may be under way, here or anywhere."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from pipelines.scoring import scoring
    from pipelines.training import training

    flows: dict[str, Any] = {"scoring": scoring, "training": training}
    return await runner.aadd_flow(
        flows[each.flow],
        name=each.detector,
        schedules=[Cron(each.cron)] if each.cron else [],
        parameters=each.parameters,
        tags=[TAG],
        # Enqueued, and not cancelled: a run that somebody triggered has work of its own.
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def _look_after_runs(keep: timedelta | None, tell: Callable[[str], object]) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.to_thread(_tidy, keep=keep, tell=tell)


def _tidy(
    served: Sequence[UUID] = (),
    *,
    keep: timedelta | None = None,
    tell: Callable[[str], object],
) -> None:
    """End lost runs, and of the missed runs of what is served all but the newest; delete old ones.

    Without a length of time for which they are kept, none is deleted.
    """
    from prefect import get_client

    now = datetime.now(UTC)
    try:
        with get_client(sync_client=True) as client:
            for run in end_lost_runs(client, now=now):
                tell(f"{run.name} had lost its process and is ended; the next run does its work")
            for deployment in served:
                if skipped := skip_all_but_newest(client, deployment, now=now):
                    tell(f"{skipped} missed runs are skipped: the newest does their work")
            if keep is not None:
                delete_old_runs(client, now=now, keep=keep)
    except Exception as error:  # serving goes on; what stays behind is found the next time
        tell(f"could not look after earlier runs ({type(error).__name__}: {error})")
