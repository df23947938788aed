"""What `import aedetect` offers: the jobs on files, and training and scoring on data frames.

It runs in this process, without Prefect, and leaves the process as it was.
"""

from aedetect.api.detector import Detector
from aedetect.api.fitting import fit
from aedetect.api.jobs_on_files import TrainingResult, read_events, score, train
from aedetect.api.loading import load_detector

__all__ = [
    "Detector",
    "TrainingResult",
    "fit",
    "load_detector",
    "read_events",
    "score",
    "train",
]
