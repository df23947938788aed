"""A backtest from a configuration: threshold, past scores, and known anomalies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.data import find_files
from aedetect.detector import Outline, read_outline
from aedetect.evaluation import Backtest, backtest_threshold, known_anomalies
from aedetect.evaluation.backtest import newest_timestamp
from aedetect.events import EventRules, read_labels
from aedetect.jobs.recalibration import make_calibration
from aedetect.output.partitions import Span
from aedetect.timestamps import NANOSECONDS

if TYPE_CHECKING:
    from aedetect.calibration import Calibration
    from aedetect.config import Config
    from aedetect.evaluation import KnownAnomalies


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
    rules = EventRules.of(config.events, max_gap=saved.schema.max_gap)
    if days is not None and span.since is None:
        newest = newest_timestamp(config.output, until=span.until)
        span = Span(newest + 1 - int(days * NANOSECONDS["d"]), span.until)
    result = backtest_threshold(
        config.output,
        thresholds=_by_name(calibration, saved),
        rules=rules,
        span=span,
        known=_known(config, rules),
    )
    return result, calibration


def _by_name(calibration: Calibration, saved: Outline) -> Callable[[str | None], float]:
    """Return a function entity -> threshold; entities without their own have the pooled one."""
    codes = np.arange(len(saved.entities), dtype=np.int32)
    values = calibration.thresholds(codes).tolist()
    own: Mapping[str | None, float] = dict(zip(saved.entities, values, strict=True))
    return lambda name: own.get(name, calibration.threshold.value)


def _known(config: Config, rules: EventRules) -> tuple[KnownAnomalies, ...] | None:
    """Return the intervals known to be anomalous; None when there is no labelled input."""
    labels = read_labels(config.output)
    if not config.scoring.input:
        return None
    source = find_files(config.input, timestamp=config.data.timestamp)
    return known_anomalies(source, config.data, labels, bridge=rules.bridge)


def save_backtest_figure(result: Backtest, path: Path) -> Path:
    """Save the figure of a backtest; return its path."""
    from aedetect.figures.backtest_timeline import draw_backtest_timeline
    from aedetect.figures.canvas import save_figure

    return save_figure(draw_backtest_timeline(result), path)
