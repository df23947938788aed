"""How far the days that are scored have moved from the training rows: a shift, not an anomaly.

What is typical of a day is learnt from the training rows and kept with the detector. A scoring run
writes sums for each partition, which depend on its rows alone; what has shifted is decided when the
sums are read. So scoring again gives the same bytes.
"""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.drift.description import Shift
    from aedetect.drift.not_judged import unjudged, why_no_column
    from aedetect.drift.partition_sums import DRIFT, PartitionSums
    from aedetect.drift.profile import Profile
    from aedetect.drift.shifts import fault_alerts, find_shifts, shift_warnings

__all__ = [
    "DRIFT",
    "PartitionSums",
    "Profile",
    "Shift",
    "fault_alerts",
    "find_shifts",
    "shift_warnings",
    "unjudged",
    "why_no_column",
]

__getattr__ = on_first_use(
    __name__,
    {
        "partition_sums": (
            "DRIFT",
            "PartitionSums",
        ),
        "description": ("Shift",),
        "profile": ("Profile",),
        "shifts": (
            "fault_alerts",
            "find_shifts",
            "shift_warnings",
        ),
        "not_judged": (
            "unjudged",
            "why_no_column",
        ),
    },
)
