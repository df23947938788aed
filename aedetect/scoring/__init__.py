"""The stages of a scoring run without Prefect: plan, compute partitions, suppress, report."""

from typing import TYPE_CHECKING

from aedetect.lazy import on_first_use

if TYPE_CHECKING:
    from aedetect.scoring.frames import score_frame
    from aedetect.scoring.loaded import Model, cached_detector
    from aedetect.scoring.plan import Plan, Unit, make_plan
    from aedetect.scoring.rows import score_rows
    from aedetect.scoring.summary import Summary

__all__ = [
    "Model",
    "Plan",
    "Summary",
    "Unit",
    "cached_detector",
    "make_plan",
    "score_frame",
    "score_rows",
]

__getattr__ = on_first_use(
    __name__,
    {
        "frames": ("score_frame",),
        "loaded": ("Model", "cached_detector"),
        "plan": ("Plan", "Unit", "make_plan"),
        "rows": ("score_rows",),
        "summary": ("Summary",),
    },
)
