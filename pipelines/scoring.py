"""The scoring flow."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, unmapped
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from aedetect.config import read_config
from aedetect.jobs import delivery
from aedetect.jobs import scoring as stages
from aedetect.output.partitions import Span
from aedetect.scoring import Summary
from aedetect.scoring.summary import check_strict, summary_line, summary_markdown
from aedetect.timestamps import parse_instant
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.secret_blocks import secrets

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
    force: bool = False,  # noqa: FBT001, FBT002
    what_if: bool = False,  # noqa: FBT001, FBT002
) -> Summary:
    """Score what is new or changed, each partition in a task of its own.

    With `rescore` also what another model made, with `force` what is current too. Of a
    `what_if`, as of another model into another output, nobody is told, nor is a database.
    """
    config = read_config(Path(config_path), overrides or (), secrets=secrets())
    span = Span(
        parse_instant(since) if since else None,
        parse_instant(until) if until else None,
    )
    with stages.record_run(config, clock=_now, run_id=flow_run.get_id()) as report:
        if not what_if:
            delivery.check_delivery(config)
        model = tasks.resolve_model(config)
        with stages.workspace(config) as scratch:
            job = tasks.make_plan(
                config, model, span=span, rescore=rescore, force=force, scratch=scratch
            )
            futures = tasks.score_partition.map(
                list(job.plan.compute), model=unmapped(model), output=unmapped(job.output)
            )
            results = futures.result()
            summary = report(tasks.finish(job, results, tasks.form_events(job)))
    _show(summary, name=config.name)
    if config.notify.listed and not what_if:
        tasks.notify(config, config_path=config_path, alerts=summary.alerts)
    if config.database.url is not None and not what_if:
        tasks.fill_database(config)
    if config.scoring.strict:
        check_strict(summary)
    return summary


def _now() -> datetime:
    return datetime.now(UTC)


def _show(summary: Summary, *, name: str) -> None:
    """Tell the run in Prefect: a line, what is wrong, and a page kept with the flow run."""
    logger = get_run_logger()
    logger.info(summary_line(summary))
    for text in summary.warnings:
        logger.warning(text)
    for text in summary.alerts.values():
        logger.error(text)
    key = re.sub("[^a-z0-9]+", "-", f"scoring-{name}".lower()).strip("-")
    try:
        create_markdown_artifact(summary_markdown(summary), key=key, description="What a run did")
    except Exception as error:
        logger.warning("the report could not be kept as an artifact: %s", error)
