"""The stages of a scoring run without Prefect: plan, compute partitions, suppress, report."""

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
