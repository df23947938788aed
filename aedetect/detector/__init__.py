"""The detector: preparation, windows, model, scores and calibration, saved and loaded as one."""

from aedetect.detector.calibrated_scorer import CalibratedScorer
from aedetect.detector.results import Evaluated, Scored, Series
from aedetect.detector.scorer import Scorer
from aedetect.detector.serialization import Outline, read_outline, read_saved_history

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
