"""The scoring flow."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from aedetect.config import Config
from aedetect.jobs.scoring import run_scoring
from aedetect.jobs.scoring_many import ScoredValues, check_values, score_values
from aedetect.jobs.scoring_work import RunOptions
from aedetect.jobs.table_clock import read_span
from aedetect.scoring import Summary
from pipelines.account import Account
from pipelines.bookkeeping import guarded
from pipelines.handoff import prepare_run
from pipelines.naming import first_name

# One partition per core at a time: each is computed by one thread.
RUNNER: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1)


@flow(
    name="scoring",
    flow_run_name=first_name,
    description="Scores new and changed input, one task for each group of partitions.",
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

    With `[detector] by` there is a run for each value, in processes instead of tasks.

    Args:
        config_path: The configuration of the detector: a TOML file on the machine that runs.
        overrides: Settings for this run only, such as scoring.partition="hour", one a line.
        since: From then on: 2026-03-01, 2026-03-01T06:00, yesterday or 7d (ago).
        until: Up to then, exclusive; as since.
        rescore: Also partitions that another model or calibration scored.
        force: Also partitions that are up to date.
        what_if: Notify no one, fill no database and write no page, such as for a trial of another
            model with another output.
    """
    given = prepare_run(config_path, overrides)
    if given.config.detector.by is not None:
        options = RunOptions(
            since=since, until=until, rescore=rescore, force=force, config_path=config_path
        )
        return _score_values(given.config, options)
    account = Account(given.config)
    summary = run_scoring(
        given.config,
        span=read_span(given.config, since, until, now=_now()),
        rescore=rescore,
        force=force,
        clock=_now,
        what_if=what_if,
        model=given.model,
        job=given.job,
        run_id=flow_run.get_id(),
        config_path=config_path,
        stages=account.stages(),
    )
    return account.completed(summary)


def _score_values(config: Config, options: RunOptions) -> ScoredValues:
    """Score the input of all values, and report their runs in the log of the flow run."""
    scored = score_values(config, options=options, run_id=flow_run.get_id())
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
    if deployment.get_id() is not None:  # a command shows what failed
        check_values(scored, strict=config.scoring.strict)
    return scored


def _now() -> datetime:
    return datetime.now(UTC)
