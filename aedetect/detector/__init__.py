"""The detector: preparation, windows, model, scores and calibration, saved and loaded as one."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.detector.calibrated_scorer import CalibratedScorer
    from aedetect.detector.outline import Outline, read_outline, read_saved_history
    from aedetect.detector.results import Evaluated, Scored, Series
    from aedetect.detector.scorer import Scorer

__all__ = [
    "CalibratedScorer",
    "Evaluated",
    "Outline",
    "Scored",
    "Scorer",
    "Series",
    "read_outline",
    "read_saved_history",
]

__getattr__ = on_first_use(
    __name__,
    {
        "calibrated_scorer": ("CalibratedScorer",),
        "outline": ("Outline", "read_outline", "read_saved_history"),
        "results": ("Evaluated", "Scored", "Series"),
        "scorer": ("Scorer",),
    },
)
