"""Held-out scores -> p-values, and thresholds that keep a promise about false alarms."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
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

__getattr__ = on_first_use(
    __name__,
    {
        "calibration": ("Calibration", "fit_calibration"),
        "forecast": ("Forecast",),
        "held_out": ("HeldOut",),
        "thresholds": ("Threshold",),
    },
)
