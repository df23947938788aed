"""What a calibration came to, for the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aedetect.logs import log_event

if TYPE_CHECKING:
    from aedetect.calibration.calibration import Calibration

logger = logging.getLogger(__name__)


def log_calibration(calibration: Calibration) -> None:
    """Log the chosen threshold and the expected number of events."""
    threshold, expected = calibration.threshold, calibration.forecast
    log_event(
        logger,
        "calibrated",
        windows=len(calibration.scores),
        rate=threshold.rate,
        threshold=threshold.value,
        own=len(calibration.own),
        per_day=expected.per_day,
        low=expected.low,
        high=expected.high,
    )
    for setting, value in calibration.elsewhere.items():
        log_event(logger, "elsewhere", setting=setting, threshold=value)
