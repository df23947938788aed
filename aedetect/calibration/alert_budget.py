"""An alert budget ("2 per day"): the lowest thresholds whose events stay within it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aedetect.arrays import Float64, grouped_rows
from aedetect.calibration.conformal import Reference
from aedetect.calibration.forecast import covered, days, reported
from aedetect.calibration.held_out import HeldOut
from aedetect.calibration.settings import CalibrationSettings
from aedetect.calibration.thresholds import Choice, Sample, Threshold
from aedetect.errors import CalibrationRefused, ConfigError

BudgetPeriod = Literal["hour", "day", "week", "month"]
_DAYS: dict[str, float] = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.25 / 12}
_PATTERN = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(?:per|a|an|/)\s*(hour|day|week|month)\s*(per\s+entity|each)?\s*",
    re.IGNORECASE,
)
_GRID, _FINER, _ROUNDS = 128, 32, 3  # levels on the first grid, on each finer grid, and rounds
_HIGHEST = 0.5  # share of normal rows flagged; no budget allows more
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Budget:
    """The number of events per day, in total or for each entity."""

    per_day: float
    per_entity: bool


def parse_budget(text: str) -> Budget:
    """Read a budget such as "2 per day" or "1 per week per entity". Raises ConfigError.

    >>> parse_budget("14 per week per entity")
    Budget(per_day=2.0, per_entity=True)
    """
    match = _PATTERN.fullmatch(text)
    if match is None or not float(match[1]):
        raise ConfigError(
            "[calibration] alert_budget must be a number of events per hour, day, week or month, "
            f'got "{text}"; write for example "2 per day" or "1 per week per entity"'
        )
    return Budget(float(match[1]) / _DAYS[match[2].lower()], per_entity=bool(match[3]))


def alert_budget(sample: Sample, settings: CalibrationSettings) -> Choice:
    """Choose the lowest thresholds at and above which the events stay within the budget.

    For a total budget, all entities share one p-value level, and each gets the threshold of its own
    scores at that level. For a budget per entity, each entity is calibrated on its own events; the
    others share the threshold of all entities pooled. Raises CalibrationRefused when the budget
    allows less than one event in the held-out time and no tail fits to extrapolate.
    """
    budget = parse_budget(settings.alert_budget)
    if not budget.per_entity:
        return _shared_level(sample, settings, budget)
    pooled = _single_threshold(sample, sample.normal, sample.pooled, settings)
    own = {}
    places = dict(grouped_rows(sample.normal.entity)) if sample.own else {}
    for code, reference in sample.own.items():
        with suppress(CalibrationRefused):
            rows = sample.normal.take(places[code])
            own[code] = _single_threshold(sample, rows, reference, settings)
    return Choice(pooled, own)


def _shared_level(sample: Sample, settings: CalibrationSettings, budget: Budget) -> Choice:
    """Choose one level for all entities."""
    rows, pooled = sample.normal, sample.pooled
    covers = days(covered(rows, sample.timing, together=True))

    def count(level: float) -> int:
        return _events(sample, rows, values_at(sample, level)[rows.entity])

    level = _level(count, settings, pooled, allowed=budget.per_day * covers, covers=covers)
    own = {
        code: Threshold(reference.score_at(level), "alert_budget", level)
        for code, reference in resolving(sample, level)
    }
    return Choice(Threshold(pooled.score_at(level), "alert_budget", level), own)


def _single_threshold(
    sample: Sample, rows: HeldOut, reference: Reference, settings: CalibrationSettings
) -> Threshold:
    """Choose the threshold of one entity, or of all that share it."""
    budget = parse_budget(settings.alert_budget)
    covers = days(covered(rows, sample.timing, together=False))

    def count(level: float) -> int:
        return _events(sample, rows, reference.score_at(level))

    level = _level(count, settings, reference, allowed=budget.per_day * covers, covers=covers)
    return Threshold(reference.score_at(level), "alert_budget", level)


def values_at(sample: Sample, level: float) -> Float64:
    """Return the threshold of each entity at a level: (E,)."""
    count = int(sample.normal.entity.max(initial=0)) + 1
    values = np.full(count, sample.pooled.score_at(level))
    for code, reference in resolving(sample, level):
        values[code] = reference.score_at(level)
    return values


def resolving(sample: Sample, level: float) -> Iterator[tuple[int, Reference]]:
    """Yield the entities whose rows resolve the level, the ones with most rows first."""
    for code, reference in sample.longest_first:
        if not is_within_rank(reference, level):
            return
        yield code, reference


def is_within_rank(reference: Reference, level: float) -> bool:
    """Whether the rows of an entity resolve the level; events below it cannot be counted."""
    return (len(reference) + 1) * level >= 1 - _ROUNDING


def _events(sample: Sample, rows: HeldOut, values: Float64 | float) -> int:
    """Count the reported events of rows at or above thresholds.

    Rows at the threshold count, because the threshold is one of these scores: a new row lies above
    it as often as one of them lies at or above it. Counting only the rows above would promise one
    event too few, as in Angelopoulos et al.: Conformal risk control (2022), equation 4.
    """
    return len(reported(rows, rows.score >= values, sample.timing.rules, sample.timing.own))


def _level(
    count: Callable[[float], int],
    settings: CalibrationSettings,
    reference: Reference,
    *,
    allowed: float,
    covers: float,
) -> float:
    """Return the highest level up to which the number of events is within the budget.

    The search evaluates a grid of levels, then finer grids between the last level within the budget
    and the first beyond it. Levels between two grid points may have more events.
    """
    lowest = 1 / (len(reference) + 1)
    if count(lowest) > allowed + _ROUNDING:
        return _beyond(settings, reference, allowed=allowed, covers=covers)
    grid = np.geomspace(lowest, max(_HIGHEST, lowest), _GRID)
    for _ in range(_ROUNDS):
        worse = next((i for i, at in enumerate(grid) if i and count(at) > allowed + _ROUNDING), 0)
        if not worse:
            return float(grid[-1])
        grid = np.geomspace(grid[worse - 1], grid[worse], _FINER)
    return float(grid[0])


def _beyond(
    settings: CalibrationSettings, reference: Reference, *, allowed: float, covers: float
) -> float:
    """Extrapolate with the tail to a budget below one event in the held-out time.

    An event has at least one row, so there are no more events than flagged rows.
    """
    n = len(reference)
    if reference.tail_fits:
        return allowed / n
    needed = covers / allowed
    raise CalibrationRefused(
        f'an alert_budget of "{settings.alert_budget}" allows {allowed:.2g} events in the '
        f"{_days(covers)} that are held out, and no tail fits well enough to extrapolate: it "
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
