"""The scoring flow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, unmapped
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from aedetect import deliver
from aedetect import scoring as stages
from aedetect.config import read_config
from aedetect.durations import parse_instant
from aedetect.plan import Span
from pipelines import tasks
from pipelines.blocks import secrets
from pipelines.guard import guarded

# One partition a core at a time: each is computed by one thread.
RUNNER: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1)


@flow(
    name="scoring",
    persist_result=False,
    task_runner=RUNNER,
)
@guarded
def scoring(
    config_path: str,
    overrides: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    rescore: bool = False,  # noqa: FBT001, FBT002 - flow parameters are always given by name
) -> stages.Summary:
    """Score what is new or changed, each partition in a task of its own."""
    config = read_config(Path(config_path), overrides or (), secrets=secrets())
    span = Span(
        parse_instant(since) if since else None,
        parse_instant(until) if until else None,
    )
    deliver.check(config)
    model = tasks.resolve_model(config)
    with stages.workspace(config) as scratch:
        job = tasks.make_plan(config, model, span=span, force=rescore, scratch=scratch)
        futures = tasks.score_partition.map(
            list(job.plan.compute), model=unmapped(model), output=unmapped(job.output)
        )
        computed = futures.result()
        summary = tasks.finish(job, computed, tasks.form_events(job))
    get_run_logger().info(
        "%d rows of %d partitions scored, %d flagged; %d partitions were up to date",
        summary.rows,
        summary.partitions,
        summary.flagged,
        summary.current,
    )
    if config.notify.listed:
        tasks.notify(config, config_path=config_path)
    if config.database.url is not None:
        tasks.fill_database(config)
    stages.check_fit(summary)
    return summary
