"""Candidates for events, of which some are reported so that most of those are real: `precision`.

The threshold is that of the default budget, or of the default rate where that has no support. Which
candidates are reported is decided when events are formed, see `aedetect.events.discovery`.
"""

from __future__ import annotations

from dataclasses import replace

from aedetect.calibration.alert_budget import alert_budget
from aedetect.calibration.sample import Sample
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.thresholds import Choice, by_reference, false_alarm_rate
from aedetect.errors import CalibrationRefused

CANDIDATES = (
    "these are candidates: of their events those are reported that leave the share [calibration] "
    "precision of real ones over 30 days (Benjamini-Hochberg), if normal stays what it was"
)


def candidates(sample: Sample, settings: CalibrationSettings) -> Choice:
    """Choose the thresholds above which rows form candidates. Raises CalibrationRefused."""
    usual = replace(settings, threshold=None, alert_budget=None, false_alarm_rate=None)
    try:
        found = alert_budget(sample, usual)
    except CalibrationRefused:
        found = by_reference(false_alarm_rate)(sample, usual)
    own = {code: replace(each, method="precision") for code, each in found.own.items()}
    return replace(found, pooled=replace(found.pooled, method="precision"), own=own)
