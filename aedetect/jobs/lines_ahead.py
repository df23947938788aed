"""The lines of new events, drawn by the run that finds them: the page then needs no network.

Of the events that a page would show first. They are drawn where the detector is in memory: in this
process, in one of those that computed the partitions, or by a worker of the cluster.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from aedetect.jobs.event_lines import draw_here, draw_one, keep_column_lines
from aedetect.jobs.table_clock import shown_clock
from aedetect.logs import log_event
from aedetect.report import PageFacts
from aedetect.report.page import first_cards

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.execution.kept_processes import KeptProcesses
    from aedetect.jobs.event_lines import Draw, Undrawn
    from aedetect.jobs.line_cache import Lines
    from aedetect.jobs.scoring_stages import ScoringJob

logger = logging.getLogger(__name__)


def draw_ahead(config: Config, job: ScoringJob, processes: KeptProcesses) -> None:
    """Draw the lines of the events that a page would show first, if partitions were computed.

    Whatever goes wrong fails no run: the page draws what is not there.
    """
    if not (job.plan.compute and config.scoring.input):
        return
    facts = PageFacts(
        detector=config.name,
        config="",
        model="",
        days=config.report.days,
        clock=shown_clock(config),
    )
    try:
        cards, period = first_cards(config.output, facts)
        draw = _drawer(config, processes)
        count = keep_column_lines(config, job.model, cards, period=period, draw=draw)
    except Exception as error:
        log_event(logger, "note", text=f"the lines of new events are not drawn: {error}")
        return
    if count:
        log_event(logger, "lines", events=count)


def _drawer(config: Config, processes: KeptProcesses) -> Draw:
    if processes.processes is not None:
        return partial(_draw_in, processes)
    return draw_here if config.scoring.executor == "local" else partial(_draw_on_cluster, config)


def _draw_in(kept: KeptProcesses, _folder: str, undrawn: Sequence[Undrawn]) -> list[Lines]:
    assert kept.processes is not None
    return kept.processes.call(draw_one, undrawn)


def _draw_on_cluster(config: Config, folder: str, undrawn: Sequence[Undrawn]) -> list[Lines]:
    from aedetect.execution import call_on_cluster

    executor, address = config.scoring.executor, config.scoring.address
    assert address is not None
    return call_on_cluster(draw_one, undrawn, folder=folder, executor=executor, address=address)
