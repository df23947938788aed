"""The events and the page of a data frame: the same jobs as on files, in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aedetect.config import make_config
from aedetect.errors import NoData
from aedetect.jobs.event_lines import add_column_lines
from aedetect.jobs.scoring import run_scoring
from aedetect.output.scratch import temporary_folder
from aedetect.report import PageFacts, read_page
from aedetect.report.cards import MAX_DRAWN
from aedetect.report.page import with_facts
from aedetect.scoring import Model
from aedetect.scoring.frames import frame_table

if TYPE_CHECKING:
    import pandas as pd

    from aedetect.config import Config
    from aedetect.detector import CalibratedScorer
    from aedetect.report.page import Page

_NAME = "frame"  # of a detector that is not registered; part of the ids of its events
_FILE, _MODEL = "frame.parquet", "model"
_MAX_DAYS = 10**6  # of a page: all there are


@contextmanager
def scored_frame(
    detector: CalibratedScorer,
    frame: pd.DataFrame,
    *,
    events: Mapping[str, Any] | None,
    units: Mapping[str, str] | None,
) -> Iterator[tuple[Config, Model]]:
    """Score a frame into a temporary output; yield its configuration and model.

    Raises SchemaMismatch for a frame that does not fit, NoData for one without a timestamp, and
    ConfigError for wrong settings.
    """
    schema = detector.scorer.schema
    table = frame_table(schema, frame)
    if table[schema.timestamp].null_count == len(table):
        raise NoData(f'the frame must have rows with a timestamp in "{schema.timestamp}", got none')
    given: dict[str, Any] = {
        "detector": {"name": _NAME},
        "data": {"train": _FILE, "timestamp": schema.timestamp, "units": units or {}},
        "scoring": {"input": _FILE, "output": "output"},
        "events": events or {},
    }
    if schema.entity is not None:
        given["data"]["entity"] = schema.entity
    with temporary_folder() as folder:
        config = make_config(given, folder=folder)
        detector.save(folder / _MODEL)
        _write(table, folder / _FILE)
        model = Model(folder=str(folder / _MODEL), name=_NAME, version=0)
        run_scoring(config, model=model, what_if=True)
        yield config, model


def frame_page(
    detector: CalibratedScorer,
    frame: pd.DataFrame,
    *,
    events: Mapping[str, Any] | None,
    units: Mapping[str, str] | None,
) -> Page:
    """Return the page of a frame: lanes, events with lines, and what could not be scored.

    Raises as `scored_frame`.
    """
    schema = detector.scorer.schema
    forecast = detector.calibration.forecast
    with scored_frame(detector, frame, events=events, units=units) as (config, model):
        facts = PageFacts(
            detector="data frame",
            config="detector.toml",
            model=_NAME,
            calibration=detector.calibration.version,
            days=_MAX_DAYS,
            clock=schema.clock,
            units=config.data.units,
            usual=(forecast.low, forecast.high),
        )
        page = read_page(config.output, facts)
        cards = add_column_lines(config, model, page.cards, period=page.period, drawn=MAX_DRAWN)
        # Nothing before the frame was scored, though its first partition begins before it.
        return with_facts(replace(page, before=None), facts, cards)


def _write(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path)
