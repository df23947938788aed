"""The Python API of `import aedetect`: jobs on files, training and scoring on data frames.

It runs in this process, without Prefect, and restores the state of the process.
"""

from aedetect.api.detector import Detector
from aedetect.api.fitting import fit
from aedetect.api.jobs_on_files import TrainingResult, read_events, read_report, score, train
from aedetect.api.loading import load_detector

__all__ = [
    "Detector",
    "TrainingResult",
    "fit",
    "load_detector",
    "read_events",
    "read_report",
    "score",
    "train",
]
