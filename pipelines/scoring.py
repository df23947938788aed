"""The scoring flow."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import deployment, flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from aedetect.config import Config
from aedetect.jobs.report import page_path
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.scoring_many import ScoredValues, check_values, score_values
from aedetect.jobs.scoring_work import RunOptions
from aedetect.jobs.table_clock import read_span
from aedetect.scoring import Summary
from aedetect.scoring.summary_text import summary_line, summary_markdown
from pipelines import tasks
from pipelines.bookkeeping import guarded
from pipelines.handoff import prepare_run

# One partition per core at a time: each is computed by one thread.
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
) -> Summary | ScoredValues:
    """Score new and changed input, with one task for each group of partitions.

    With `rescore` also partitions of another model, with `force` also those up to date. A `what_if`
    run, such as one with another model and output, notifies no one and fills no database. With
    `[detector] by` a run for each value, in processes instead of tasks.
    """
    given = prepare_run(config_path, overrides)
    if given.config.detector.by is not None:
        options = RunOptions(
            since=since, until=until, rescore=rescore, force=force, config_path=config_path
        )
        scored = score_values(given.config, options=options, run_id=flow_run.get_id())
        _show_values(scored)
        if deployment.get_id() is not None:  # a command shows what failed
            check_values(scored, strict=given.config.scoring.strict)
        return scored
    span = read_span(given.config, since, until, now=_now())
    return run_scoring(
        given.config,
        span=span,
        rescore=rescore,
        force=force,
        clock=_now,
        what_if=what_if,
        model=given.model,
        job=given.job,
        run_id=flow_run.get_id(),
        config_path=config_path,
        stages=replace(tasks.SCORING, report=_show),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _show(config: Config, summary: Summary) -> None:
    """Report the run in Prefect: a summary line, warnings, and an artifact of the flow run."""
    logger = get_run_logger()
    logger.info(summary_line(summary))
    for text in summary.warnings:
        logger.warning(text)
    for text in summary.alerts.values():
        logger.error(text)
    key = re.sub("[^a-z0-9]+", "-", f"scoring-{config.name}".lower()).strip("-")
    page = page_path(config)
    shown = (
        ""
        if page is None
        else f"\n\n[The page of the last {config.report.days} days]({page.as_uri()})"
    )
    try:
        create_markdown_artifact(
            summary_markdown(summary) + shown, key=key, description="What a run did"
        )
    except Exception as error:
        logger.warning("the report could not be kept as an artifact: %s", error)


def _show_values(scored: ScoredValues) -> None:
    """Report the runs of all values in the log of the flow run."""
    logger = get_run_logger()
    logger.info(
        "values=%d unknown=%d failed=%d rows=%d flagged=%d",
        len(scored.values),
        len(scored.unknown),
        len(scored.failed),
        scored.rows,
        scored.flagged,
    )
    for text in scored.notes:
        logger.warning(text)
    for each in (*scored.unknown, *scored.failed):
        logger.error("%s: %s", each.name, each.error)
