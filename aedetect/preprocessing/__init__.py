"""Rows <-> model inputs: filling, encoding, scaling, windows, and the split by time."""

from aedetect.preprocessing.preparation import Preparation, Prepared
from aedetect.preprocessing.split import Part, split_by_time
from aedetect.preprocessing.windows import Windows, positions

__all__ = [
    "Part",
    "Preparation",
    "Prepared",
    "Windows",
    "positions",
    "split_by_time",
]
