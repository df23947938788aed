"""A scoring command with nothing to compute needs neither a flow nor a server.

The plan is made first, without PyTorch. Where there is nothing to do, the run ends in this process:
its stages are those of the flow, and it is recorded like any other. Else the flow gets the plan. An
error in planning is left to the flow, which meets it again and reports it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aedetect.jobs import shadow
from aedetect.jobs.output_place import check_output
from aedetect.jobs.recording import workspace
from aedetect.jobs.scoring import PLAIN, run_scoring
from aedetect.jobs.scoring_plan import plan_run
from aedetect.logs import log_event
from aedetect.secrets import is_block
from pipelines.retries import retried

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.jobs.scoring_stages import ScoringJob
    from aedetect.output.partitions import Span
    from aedetect.scoring import Model, Summary

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ahead:
    """The plan of a run, and whether it has nothing to compute."""

    job: ScoringJob
    idle: bool


def needs_blocks(config: Config) -> bool:
    """Whether a secret is in a block of Prefect, so that its server is needed in any case."""
    given = (config.registry.tracking_uri, config.database.url or "", *config.notify.listed)
    return any(map(is_block, given))


def plan_ahead(
    config: Config, model: Model, *, span: Span, rescore: bool, force: bool
) -> Ahead | None:
    """Plan a run; None when that fails."""
    started = datetime.now(UTC)
    try:
        check_output(config)
        with workspace(config) as scratch:
            job = plan_run(config, model, span=span, rescore=rescore, force=force, scratch=scratch)
        idle = _is_idle(config, job)
        return Ahead(replace(job, started=started) if idle else job, idle)
    except Exception as error:
        log_event(logger, "not planned", because=error)
        return None


def _is_idle(config: Config, job: ScoringJob) -> bool:
    """Whether nothing is computed or withdrawn, and no challenger scores in shadow."""
    return not (job.plan.compute or job.plan.withdraw) and shadow.challenger(config) is None


def run_idle(
    config: Config, job: ScoringJob, *, config_path: str, what_if: bool = False
) -> Summary:
    """Run the stages of a run that has nothing to compute, in this process."""
    return run_scoring(
        config,
        model=job.model,
        job=job,
        clock=lambda: datetime.now(UTC),
        what_if=what_if,
        config_path=config_path,
        stages=replace(PLAIN, fill_database=retried(PLAIN.fill_database)),
    )
