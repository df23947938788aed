"""Rows <-> model inputs: filling, encoding, scaling, windows, and the split by time."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
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

__getattr__ = on_first_use(
    __name__,
    {
        "preparation": ("Preparation", "Prepared"),
        "split": ("Part", "split_by_time"),
        "windows": ("Windows", "positions"),
    },
)
