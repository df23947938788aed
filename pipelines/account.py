"""What a scoring run did, for people: its name, its message, and its artifacts in Prefect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from aedetect.config import Config
from aedetect.delivery.alerts import Ended
from aedetect.events.table import EventChanges
from aedetect.execution.local_compute import is_worth_processes
from aedetect.jobs.outcome_record import open_registry_ahead
from aedetect.jobs.report import page_path
from aedetect.jobs.scoring_stages import ScoringJob, ScoringStages
from aedetect.jobs.table_clock import shown_clock
from aedetect.report.event_rows import event_rows, rank_reported
from aedetect.scoring import Summary
from aedetect.scoring.summary_text import run_title, summary_line, summary_markdown
from aedetect.wording import markdown_code, plural
from pipelines import tasks
from pipelines.endings import completed
from pipelines.naming import name_units, rename
from pipelines.old_runs import IDLE

_MAX_ROWS = 100  # events in a table


@dataclass
class Account:
    """What a scoring run has done so far; its stages keep it."""

    config: Config
    events: int = 0  # reported, new or changed
    planned: int = 0  # partitions, of a challenger in shadow too
    sent: int = 0  # messages

    def stages(self) -> ScoringStages:
        """Return the stages as tasks, which keep this account."""
        return replace(
            tasks.SCORING,
            plan=self._plan,
            sort=self._sort,
            report=self._report,
            notify=self._notify,
        )

    def completed(self, summary: Summary) -> Summary:
        """Rename this flow run after what it did, and return what the flow returns.

        A run that did nothing and has nothing to say is marked: the next one deletes its record.
        """
        idle = summary.is_idle and not self.planned and not self.sent
        title = run_title(summary, events=self.events)
        rename(f"{self.config.name}{title}", tags=[IDLE] if idle else [])
        return completed(summary, summary_line(summary, events=self.events))

    def _plan(self, config: Config, *given: Any, **options: Any) -> ScoringJob:
        """Plan; the days to be scored are in the name of the run from then on."""
        job = tasks.SCORING.plan(config, *given, **options)
        self.planned += len(job.plan.compute) + len(job.plan.withdraw)
        if config is self.config and job.plan.compute:
            days = name_units({"units": job.plan.compute})
            rename(f"{self.config.name} {days}")
        return job

    def _sort(self, config: Config, job: ScoringJob, *, scratch: Path) -> ScoringJob:
        """Sort; while processes compute what comes next, what the end needs is made ready."""
        if is_worth_processes(job.plan.compute):
            open_registry_ahead(config, job)
        return tasks.SCORING.sort(config, job, scratch=scratch)

    def _notify(
        self, config: Config, *, config_path: str | None, alerts: Mapping[str, str], ended: Ended
    ) -> int:
        """Notify, and count the messages."""
        sent = tasks.SCORING.notify(config, config_path=config_path, alerts=alerts, ended=ended)
        self.sent += sent
        return sent

    def _report(self, config: Config, summary: Summary, changes: EventChanges) -> None:
        """Report the run in Prefect: a sentence, warnings, and artifacts of the flow run."""
        found = rank_reported((*changes.new, *changes.changed))
        self.events = len(found)
        logger = get_run_logger()
        logger.info(summary_line(summary, events=self.events))
        for text in summary.warnings:
            logger.warning(text)
        for text in summary.alerts.values():
            logger.error(text)
        if summary.is_idle:  # nothing that the artifacts of an earlier run do not show
            return
        try:
            _create_artifacts(config, summary, changes)
        except Exception as error:
            logger.warning("the report could not be kept as an artifact: %s", error)


def _create_artifacts(config: Config, summary: Summary, changes: EventChanges) -> None:
    """Create the report of a run, a table of its events, and a link to the page."""
    found = rank_reported((*changes.new, *changes.changed))
    create_markdown_artifact(
        summary_markdown(summary, events=len(found)),
        key=_key("scoring", config.name),
        description="What a run did",
    )
    if found:
        shown = found[:_MAX_ROWS]
        most = "" if shown == found else f", the {len(shown)} most anomalous"
        create_table_artifact(
            event_rows(shown, shown_clock(config)),
            key=_key("events", config.name),
            description=f"{plural(len(found), 'event')} that a run found or changed{most}",
        )
    page = page_path(config)
    if page is not None and page.exists():
        create_link_artifact(
            page.as_uri(),  # browsers follow it only from pages of their own machine's files
            link_text=page.name,
            key=_key("page", config.name),
            description=f"The page of the last {config.report.days} days, a file of the machine "
            f"that ran: {markdown_code(str(page))}",
        )


def _key(kind: str, detector: str) -> str:
    """Return the key of an artifact: Prefect takes lower case letters, digits and dashes.

    >>> _key("events", "Pump 7 (east)")
    'events-pump-7-east'
    """
    return re.sub("[^a-z0-9]+", "-", f"{kind}-{detector}".lower()).strip("-")
