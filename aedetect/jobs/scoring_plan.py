"""The plan of a scoring run: what to compute, known without the network; input sorted for it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aedetect.data import find_files
from aedetect.jobs.division import refresh_division
from aedetect.jobs.scoring_stages import ScoringJob, formation_of
from aedetect.jobs.scoring_units import shared_scratch
from aedetect.jobs.suppression import suppression_of
from aedetect.jobs.table_clock import table_clock
from aedetect.logs import log_event
from aedetect.output import read_origins, written
from aedetect.output.catalog import check_owner
from aedetect.output.partitions import Span
from aedetect.scoring import make_plan
from aedetect.scoring.input_cache import read_input_cache, write_input_cache
from aedetect.scoring.input_changes import find_input_changes, is_first_run
from aedetect.scoring.loaded import cached_outline, calibration_at
from aedetect.scoring.plan import fingerprinted
from aedetect.scoring.schema_drift import admitted
from aedetect.scoring.summarize import summarize_input
from aedetect.scoring.time_sort import sort_by_time
from aedetect.scoring.worker import origin_of
from aedetect.timestamps import format_duration

if TYPE_CHECKING:
    from aedetect.config import Config
    from aedetect.scoring import Model

logger = logging.getLogger(__name__)
_PROVISIONAL = "the newest rows are judged from fewer windows until later rows arrive"


def plan_run(
    config: Config,
    model: Model,
    *,
    span: Span,
    rescore: bool = False,
    force: bool = False,
    scratch: Path,
) -> ScoringJob:
    """Inspect input and output, and list the partitions to compute.

    Within the span these are the new and changed ones; with `rescore` also those of another model;
    with `force` all.
    """
    refresh_division(config)
    output, by = config.output, config.scoring.partition
    outline = cached_outline(model.folder)
    schema = outline.schema
    clock = table_clock(config, schema)
    step, column = clock.step, schema.timestamp
    cache = read_input_cache(output, timestamp=column, step=step)
    found = find_files(config.input, timestamp=column, known=cache.files, step=step)
    source, wrong = admitted(found, schema)
    with written(output):
        existing = read_origins(output, by=by)
    check_owner(existing, model_name=model.name)
    suppression = suppression_of(config, schema, source, existing)
    source, prints = fingerprinted(source, cache.fingerprints)
    write_input_cache(output, source.files, prints, known=cache, scratch=scratch)
    made = make_plan(
        source,
        prints,
        existing,
        by=by,
        lookback=outline.lookback,
        lookahead=outline.lookahead,
        span=span,
        rescore_as=origin_of(model, outline, {}) if rescore else None,
        calibration_at=partial(calibration_at, model.folder),
        force=force,
        suppression=suppression,
        clock=clock,
    )
    return ScoringJob(
        model=model,
        plan=made,
        output=output,
        formation=formation_of(config, model.name, schema),
        summary=summarize_input(
            model,
            found,
            source,
            wrong,
            find_input_changes(source, prints, [each.agreed for each in existing.values()]),
            output=output,
            settings=config.data,
            is_first=is_first_run(model.version, existing.values()),
            clock=clock,
        ),
        asked=span != Span(),
        promise_factor=config.scoring.promise_factor,
        renewed=config.renew is not None,
    )


def sort_run(config: Config, job: ScoringJob, *, scratch: Path) -> ScoringJob:
    """Sort the input by time where that saves work; log that the newest rows are provisional.

    The scratch folder must exist until the partitions are computed.
    """
    outline, units = cached_outline(job.model.folder), job.plan.compute
    if outline.lookahead:
        newest = format_duration(outline.lookahead)
        log_event(logger, "provisional", newest=newest, text=_PROVISIONAL)
    folder = shared_scratch(scratch, config)
    if folder is None:
        return job
    units = sort_by_time(
        units,
        schema=outline.schema,
        lookback=outline.lookback,
        lookahead=outline.lookahead,
        folder=folder,
    )
    return replace(job, plan=replace(job.plan, compute=units))
