"""A backtest from a configuration: which threshold, which scores, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aedetect import registry
from aedetect.backtest import Backtest, backtest, newest_moment
from aedetect.durations import NANOSECONDS
from aedetect.feedback import read_labels
from aedetect.files import find
from aedetect.plan import Span
from aedetect.recalibrate import renewed
from aedetect.saved import Outline, outline
from aedetect.stretches import Rules
from aedetect.truth import known

if TYPE_CHECKING:
    from aedetect.calibrate import Calibration
    from aedetect.config import Config
    from aedetect.truth import Known


def look_back(
    config: Config, *, span: Span, days: float | None, anew: bool
) -> tuple[Backtest, Calibration]:
    """Apply a threshold to past scores: the saved one, or one chosen `anew` as configured.

    Without a span these are the last so many days of the scores. Nothing is stored.
    Raises NoData, CalibrationRefused, UnknownModel or BrokenDetector.
    """
    uri = config.tracking_uri
    registered = registry.find(config.model_reference, tracking_uri=uri)
    saved = outline(registry.fetch(registered, tracking_uri=uri))
    calibration = renewed(config, saved) if anew else saved.calibration
    rules = Rules.of(config.events, max_gap=saved.schema.max_gap)
    if days is not None and span.since is None:
        newest = newest_moment(config.output, until=span.until)
        span = Span(newest + 1 - int(days * NANOSECONDS["d"]), span.until)
    result = backtest(
        config.output,
        thresholds=_by_name(calibration, saved),
        rules=rules,
        span=span,
        known=_known(config, rules),
    )
    return result, calibration


def _by_name(calibration: Calibration, saved: Outline) -> Callable[[str | None], float]:
    """Return what gives the threshold of an entity, the pooled one for those without their own."""
    codes = np.arange(len(saved.entities), dtype=np.int32)
    values = calibration.thresholds(codes).tolist()
    own: Mapping[str | None, float] = dict(zip(saved.entities, values, strict=True))
    return lambda name: own.get(name, calibration.threshold.value)


def _known(config: Config, rules: Rules) -> tuple[Known, ...] | None:
    """Return the stretches that are known to be anomalous; None when nobody says."""
    labels = read_labels(config.output)
    if not config.scoring.input:
        return None
    source = find(config.input, timestamp=config.data.timestamp)
    return known(source, config.data, labels, bridge=rules.bridge)


def picture(result: Backtest, path: Path) -> Path:
    """Draw a backtest into a file; return its path."""
    from aedetect.figures.alarms import draw_alarms
    from aedetect.figures.canvas import save

    return save(draw_alarms(result), path)
