"""Which partitions are flagged by another calibration than the one in force at their start."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect import registry
from aedetect.detector import Outline, read_outline, read_saved_history
from aedetect.jobs.scoring_stages import formation_of
from aedetect.jobs.table_clock import table_clock
from aedetect.logs import log_event
from aedetect.output import Origin, Partition, read_origins
from aedetect.output.catalog import check_owner
from aedetect.output.partitions import FLAGGED, SCORES, Span

if TYPE_CHECKING:
    from aedetect.calibration.history import History
    from aedetect.config import Config
    from aedetect.events import Formation
    from aedetect.wall_clock import WallClock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReflagPlan:
    """The partitions to re-evaluate, and the calibrations to apply."""

    model: registry.Registered
    saved: Outline
    place: Path  # of the saved detector
    history: History  # of its calibrations
    clock: WallClock
    output: Path
    formation: Formation
    partitions: tuple[tuple[Partition, Origin], ...]
    current: int  # partitions that are up to date
    other: int  # scored by another version of the model, or left to a scoring run

    def calibration_of(self, partition: Partition) -> int:
        """Return the version in force at the start of a partition."""
        return self.history.at(partition.bounds(self.clock)[0])


def plan_reflagging(config: Config, *, span: Span) -> ReflagPlan:
    """List the partitions flagged by another calibration than that in force at their start.

    Only those of the same model version.
    """
    uri, output = config.tracking_uri, config.output
    model = registry.find_version(config.model_reference, tracking_uri=uri)
    place = registry.fetch_version(model, tracking_uri=uri)
    saved, history = read_outline(place), read_saved_history(place)
    clock = table_clock(config, saved.schema)
    existing = read_origins(output, by=config.scoring.partition)
    check_owner(existing, model_name=model.name)
    asked = {each: existing[each] for each in sorted(existing) if span.covers(each, clock)}
    asked = {at: made for at, made in asked.items() if {SCORES, FLAGGED} <= made.kinds.keys()}
    same = [
        (partition, origin)
        for partition, made in asked.items()
        if (origin := made.agreed_scores) is not None and origin.model_version == model.version
    ]
    due = [
        (at, made)
        for at, made in same
        if existing[at].calibrations != {history.at(at.bounds(clock)[0])}
    ]
    log_event(logger, "plan", partitions=len(due))
    return ReflagPlan(
        model=model,
        saved=saved,
        place=place,
        history=history,
        clock=clock,
        output=output,
        formation=formation_of(config, model.name, saved.schema),
        partitions=tuple(due),
        current=len(same) - len(due),
        other=len(asked) - len(same),
    )
