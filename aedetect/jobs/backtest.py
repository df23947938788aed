"""A backtest from a configuration: threshold, past scores, and known anomalies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.data import find_files
from aedetect.data.unused import with_rows
from aedetect.detector import Outline, read_outline
from aedetect.evaluation import Backtest, KnownAnomalies, backtest_threshold, known_anomalies
from aedetect.evaluation.alarms import AlarmLevels
from aedetect.evaluation.backtest import newest_timestamp
from aedetect.events import EventRules, read_labels
from aedetect.events.grouping import own_rules
from aedetect.events.labels import FALSE_ALARM
from aedetect.jobs.recalibration import make_calibration
from aedetect.jobs.table_clock import table_clock
from aedetect.output.partitions import Span
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.config import Config
    from aedetect.events import Label


def run_backtest(
    config: Config, *, span: Span, days: float | None, recalibrate: bool
) -> tuple[Backtest, Calibration]:
    """Apply a threshold to past scores: the saved one, or with `recalibrate` one as configured.

    Without the start of a span, `days` selects the last days of the scores. Nothing is stored.
    Raises NoData, CalibrationRefused, UnknownModel or BrokenDetector.
    """
    uri = config.tracking_uri
    registered = registry.find_version(config.model_reference, tracking_uri=uri)
    saved = read_outline(registry.fetch_version(registered, tracking_uri=uri))
    calibration = make_calibration(config, saved) if recalibrate else saved.calibration
    schema = saved.schema
    rules = EventRules.of(config.events, max_gap=schema.max_gap, period=schema.period)
    if days is not None and span.since is None:
        newest = newest_timestamp(config.output, until=span.until)
        span = Span(newest + 1 - int(days * NANOSECONDS["d"]), span.until)
    labels = read_labels(config.output)
    known, complete = _known(config, rules, labels)
    result = backtest_threshold(
        config.output,
        thresholds=_by_name(calibration, saved, rules.hold),
        rules=rules,
        span=span,
        known=known,
        own=own_rules(config.events, schema.rates),
    )
    false = (each for each in labels if each.opinion == FALSE_ALARM)
    alarms = tuple(KnownAnomalies(each.entity, each.start, each.end) for each in false)
    clock = table_clock(config, saved.schema)
    return replace(result, complete=complete, false_alarms=alarms, clock=clock), calibration


def _by_name(
    calibration: Calibration, saved: Outline, hold: float
) -> Callable[[str | None], AlarmLevels]:
    """Return a function entity -> threshold, and the score above which an event goes on.

    Entities without their own have the pooled ones.
    """
    codes = np.append(np.arange(len(saved.entities), dtype=np.int32), np.int32(-1))
    held = calibration.scores_at(hold, codes) if hold else np.full(len(codes), np.inf)
    *values, shared = map(AlarmLevels, calibration.thresholds(codes).tolist(), held.tolist())
    own: Mapping[str | None, AlarmLevels] = dict(zip(saved.entities, values, strict=True))
    return lambda name: own.get(name, shared)


def _known(
    config: Config, rules: EventRules, labels: Sequence[Label]
) -> tuple[tuple[KnownAnomalies, ...] | None, bool]:
    """Return the intervals that are known to be anomalous, and whether a column labels all rows.

    None without labels; confirmed events alone leave the others open.
    """
    if not config.scoring.input:
        return None, False
    source = with_rows(find_files(config.input, timestamp=config.data.timestamp))
    found = known_anomalies(source, config.data, labels, merge_gap=rules.stay)
    column = config.data.label
    complete = column is not None and any(column in file.columns for file in source.files)
    return () if found is None and labels else found, complete


def save_backtest_figure(result: Backtest, path: Path) -> Path:
    """Save the figure of a backtest; return its path."""
    from aedetect.figures.backtest_timeline import draw_backtest_timeline
    from aedetect.figures.canvas import save_figure

    return save_figure(draw_backtest_timeline(result), path)
