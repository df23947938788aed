"""An alert budget ("2 per day"): the lowest thresholds whose events stay within it."""

from __future__ import annotations

import numpy as np

from aedetect.arrays import Bool, Float64
from aedetect.calibration.budget import Budget, parse_budget
from aedetect.calibration.budget_search import ROUNDING, Count, highest_levels
from aedetect.calibration.conformal import rows_for
from aedetect.calibration.forecast import covered, days, reported
from aedetect.calibration.sample import Sample
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.shared_tails import MIN_ROWS
from aedetect.calibration.thresholds import Choice, Threshold
from aedetect.errors import CalibrationRefused
from aedetect.timestamps import NANOSECONDS

# Events allowed in the held-out time from which the default budget is taken: a tenth of one is
# extrapolated tenfold, and beyond that no tail is worth more than a rate by rank.
LEAST_BY_DEFAULT = 0.1


def alert_budget(sample: Sample, settings: CalibrationSettings) -> Choice:
    """Choose the lowest thresholds at and above which the events stay within the budget.

    For a total budget, all entities share one p-value level, and each gets the threshold of its own
    scores at that level. For a budget per entity, each entity is calibrated on its own events.
    Entities with few rows share the threshold of all entities pooled. No more rows are flagged than
    `alarm_time` allows. Raises CalibrationRefused when the budget allows less than one event in the
    held-out time and no tail fits to extrapolate.
    """
    budget = parse_budget(settings.budget)
    if not sample.own:
        return Choice(_pooled_threshold(sample, settings, budget, together=not budget.per_entity))
    if not budget.per_entity:
        return _shared_level(sample, settings, budget)
    pooled = _pooled_threshold(sample, settings, budget, together=False)
    return Choice(pooled, _own_thresholds(sample, settings, budget))


def _shared_level(sample: Sample, settings: CalibrationSettings, budget: Budget) -> Choice:
    """Choose one level for all entities."""
    levels, pooled = sample.levels.above(settings.alarm_time), sample.pooled
    allowed = budget.per_day * days(covered(sample.normal, sample.timing, together=True))
    _check_supported(sample, settings, allowed)

    def count(level: Float64) -> Float64:
        at = float(level[0])
        own, shared = levels.is_own(at), pooled.score_at(at)
        value = np.where(own, levels.scores_at(at), shared)
        events = np.where(own, levels.expected_events(at, value), levels.events(value))
        beyond = float(levels.ordered.count[~own].sum()) * at * (shared > pooled.scores[-1])
        return np.array([events.sum() + beyond])

    lowest = min(allowed, 1.0) / (len(pooled) + 1)
    level = _search(count, settings, lowest=lowest, allowed=allowed)
    value, own = levels.scores_at(level), levels.is_own(level)
    chosen = {
        code: Threshold(float(value[code]), "alert_budget", level)
        for code in sample.own
        if own[code]
    }
    return Choice(Threshold(pooled.score_at(level), "alert_budget", level), chosen)


def _own_thresholds(
    sample: Sample, settings: CalibrationSettings, budget: Budget
) -> dict[int, Threshold]:
    """Choose the level of each entity whose held-out time or tail supports the budget."""
    levels = sample.levels
    entities, size = levels.entities, levels.ordered.count
    time = covered(sample.normal, sample.timing, together=False)
    owner = sample.normal.entity
    allowed = budget.per_day * np.bincount(owner, time, minlength=entities) / NANOSECONDS["d"]
    lowest = 1 / (size + 1)
    single = levels.events(levels.scores_at(lowest)) <= allowed + ROUNDING
    upper = levels.above(settings.alarm_time)

    def count(level: Float64) -> Float64:
        return upper.events(levels.scores_at(level))

    highest = np.maximum(lowest, settings.alarm_time)
    level = highest_levels(
        count, lowest=lowest, highest=np.where(single, highest, lowest), allowed=allowed
    )
    rows = allowed / np.maximum(size * levels.tails.per_row, 1e-300)
    level = np.where(single, level, np.minimum(rows, lowest * (1 - 1e-6)))
    extrapolated = (size >= MIN_ROWS) & _is_enough(allowed, settings)
    supported = (single | extrapolated) & (level <= settings.alarm_time + ROUNDING)
    value = levels.scores_at(level)
    return {
        code: Threshold(float(value[code]), "alert_budget", float(level[code]))
        for code in sample.own
        if supported[code]
    }


def _pooled_threshold(
    sample: Sample, settings: CalibrationSettings, budget: Budget, *, together: bool
) -> Threshold:
    """Choose one threshold for all entities."""
    rows, pooled = sample.normal, sample.pooled
    allowed = budget.per_day * days(covered(rows, sample.timing, together=together))
    lowest = 1 / (len(pooled) + 1)
    counted = rows.score >= pooled.score_at(max(settings.alarm_time, lowest))
    near = rows.take(counted if rows.held is None else counted | rows.held)

    def count(level: Float64) -> Float64:
        flagged = near.score >= pooled.score_at(float(level[0]))
        return np.array([len(reported(near, flagged, sample.timing.rules, sample.timing.own))])

    if count(np.array([lowest]))[0] > allowed + ROUNDING:
        _check_supported(sample, settings, allowed)
        level = allowed / len(pooled)
    else:
        level = _search(count, settings, lowest=lowest, allowed=allowed)
    return Threshold(pooled.score_at(level), "alert_budget", level)


def _search(count: Count, settings: CalibrationSettings, *, lowest: float, allowed: float) -> float:
    """Search the level of all rows together. Raises CalibrationRefused above the alarm time."""
    low, high = np.array([lowest]), np.array([settings.alarm_time])
    if lowest > settings.alarm_time + ROUNDING:
        raise CalibrationRefused(
            f"an alarm_time of {settings.alarm_time:g} needs "
            f"{rows_for(settings.alarm_time)} held-out windows, got {round(1 / lowest) - 1}: give "
            "more rows, raise [calibration] holdout, or raise alarm_time"
        )
    return float(highest_levels(count, lowest=low, highest=high, allowed=np.array([allowed]))[0])


def _is_enough(allowed: Float64 | float, settings: CalibrationSettings) -> Bool | bool:
    """Whether so many events in the held-out time are enough to take a budget by default."""
    return not settings.is_default or np.asarray(allowed >= LEAST_BY_DEFAULT)


def _check_supported(sample: Sample, settings: CalibrationSettings, allowed: float) -> None:
    """Check that a budget below one event in the held-out time has a tail to extrapolate with.

    Raises CalibrationRefused.
    """
    if allowed >= 1 or (sample.pooled.tail_fits and np.all(_is_enough(allowed, settings))):
        return
    together = not parse_budget(settings.budget).per_entity
    covers = days(covered(sample.normal, sample.timing, together=together))
    n, needed = len(sample.pooled), covers / allowed
    why = "too few" if sample.pooled.tail_fits else "and no tail fits well enough"
    raise CalibrationRefused(
        f'an alert_budget of "{settings.budget}" allows {allowed:.2g} events in the '
        f"{_days(covers)} that are held out, {why} to extrapolate: it "
        f"needs {_days(needed)}, about {int(np.ceil(n * needed / covers))} held-out windows, got "
        f"{n}: give more rows, raise [calibration] holdout, or allow more"
    )


def _days(number: float) -> str:
    """Write a number of days.

    >>> _days(1.0), _days(0.5), _days(1.001), _days(7.0)
    ('1 day', '0.5 days', '1 day', '7 days')
    """
    text = f"{number:.3g}"
    return f"{text} day{'s' * (text != '1')}"
