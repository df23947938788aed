"""Held-out scores -> p-values, and thresholds that keep a promise about false alarms."""

from aedetect.calibration.calibration import Calibration, fit_calibration
from aedetect.calibration.forecast import Forecast
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.thresholds import Threshold

__all__ = [
    "Calibration",
    "Forecast",
    "HeldOut",
    "Threshold",
    "fit_calibration",
]
